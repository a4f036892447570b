"""bridge.toml: what a deployer edits, checked before anything is synthesised."""

from infra.config.loading import ConfigError, Mistake, load
from infra.config.schema import STREAMING_TOPIC, BridgeConfig, Chat, Limits, Location, Number, Operation, StartChat

__all__ = [
    "STREAMING_TOPIC",
    "BridgeConfig",
    "Chat",
    "ConfigError",
    "Limits",
    "Location",
    "Mistake",
    "Number",
    "Operation",
    "StartChat",
    "load",
]
