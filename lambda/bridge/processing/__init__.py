"""FIFO work of either direction: messages, batches, results, retries, rate limits. Imports no AWS."""
