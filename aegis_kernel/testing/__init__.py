"""The conformance kit: a test class per port. Subclass it, give it your provider, run pytest."""
