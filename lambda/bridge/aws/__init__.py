"""Adapters: the only modules, beside logging and the handlers, that import the AWS SDK."""
