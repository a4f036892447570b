"""Fault runs: the functions as real processes under load, with injected faults, and an account of every text."""
