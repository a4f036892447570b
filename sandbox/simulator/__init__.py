"""Simulates Amazon Connect and End User Messaging SMS on loopback, with faults on request."""
