"""Agent to customer: what a chat event is, how it reads on a phone, and how it is delivered. Imports no AWS."""
