"""Benchmarks of the bridge beside naive bridges: `make bench`."""
