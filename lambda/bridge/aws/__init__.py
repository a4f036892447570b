"""Adapters: with logging and the handlers, the only modules that import the AWS SDK."""
