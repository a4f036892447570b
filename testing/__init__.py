"""Shared by tests, fault runs and benchmarks: builders, fakes, models of SQS FIFO and DynamoDB, harnesses."""
