"""The contract: what a plugin meets. Hooks discover providers; ports say what a provider does."""
