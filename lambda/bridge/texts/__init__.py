"""Customer to agent: what an inbound SMS is, what it becomes in a chat, and how it is delivered. Imports no AWS."""
