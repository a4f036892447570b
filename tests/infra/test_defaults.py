"""The default configuration, as a deployer synthesises it."""

from __future__ import annotations

from pathlib import Path

from infra.config import BridgeConfig
from tests.infra.conftest import build_app


def test_synth_lets_the_default_configuration_through(config: BridgeConfig, tmp_path: Path) -> None:
    """What the checks find makes this test fail with their words; all others of the stack have nothing to look at."""
    build_app(config, tmp_path).synth()
