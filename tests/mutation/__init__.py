"""Mutation tests: `make mutation`. Each mutation is made in a copy of the tree, where its test must fail."""
