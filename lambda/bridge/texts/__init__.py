"""Customer to agent: inbound SMS, their chat messages, and the delivery of both. Imports no AWS."""
