"""The one training loop, for every family."""
