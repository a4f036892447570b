"""The CDK app: bridge.toml becomes one stack."""
