"""What tests, fault runs and benchmarks share: builders, fakes, models of SQS FIFO and DynamoDB, harnesses."""
