"""The CDK app: bridge.toml becomes one stack, drawn in stack.py as DESIGN.md draws it."""
