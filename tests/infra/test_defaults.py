"""Each configuration as a deployer synthesises it: cdk-nag and the checks of infra.checks are part of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import BridgeConfig
from tests.infra.conftest import CONFIGURATIONS, build_app, configured


def test_synth_lets_the_default_configuration_through(config: BridgeConfig, tmp_path: Path) -> None:
    """What the checks find makes this test fail with their words; all others of the stack have nothing to look at."""
    build_app(config, tmp_path).synth()


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name != "default"])
def test_synth_lets_every_other_configuration_through(name: str, tmp_path: Path) -> None:
    build_app(configured(name, tmp_path), tmp_path / "cdk.out").synth()
