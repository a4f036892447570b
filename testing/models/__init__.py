"""Models of AWS services that behave as documented, with a clock of their own."""
