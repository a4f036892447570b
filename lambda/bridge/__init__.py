"""The Lambda functions of the bridge."""
