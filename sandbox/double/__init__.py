"""The contact-centre double: Amazon Connect as DOMAIN.md knows it, on loopback, with faults on demand."""
