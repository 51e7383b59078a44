"""The conformance kit: a test class per port. Subclass it, give it your provider, run pytest."""

from aegis_kernel.testing.authenticator import AuthenticatorConformance
from aegis_kernel.testing.authorizer import AuthorizerConformance

__all__ = [
    "AuthenticatorConformance",
    "AuthorizerConformance",
]
