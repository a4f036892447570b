"""`bridge numbers`: the account's numbers beside bridge.toml, and where their texts go."""
