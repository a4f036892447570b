"""What people have deployed already keeps its logical id and type in this version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.config import load
from tests.deployed_before import BY_CONFIGURATION, held
from tests.infra.conftest import BRIDGE_TOML, Synthesised, build_app

MIXED = f"""
[start_chat]
instance_arn = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
contact_flow_id = "abcdef01-1234-1234-1234-123456789012"
{BRIDGE_TOML}delivery = "start-chat"
{BRIDGE_TOML.replace("0101", "0102").replace("cdef", "cdee")}
"""


@pytest.fixture
def now(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Of this version, with the configuration that is the parameter."""
    if fixture := {"default": "stack", "start-chat": "everything"}.get(request.param):
        synthesised: Synthesised = request.getfixturevalue(fixture)
        return held(synthesised.template["Resources"])
    (tmp_path / "bridge.toml").write_text(MIXED)
    build_app(load(tmp_path / "bridge.toml"), tmp_path / "out").synth()
    return held(json.loads((tmp_path / "out/Bridge.template.json").read_text())["Resources"])


@pytest.mark.parametrize(("now", "before"), BY_CONFIGURATION.items(), ids=BY_CONFIGURATION, indirect=["now"])
def test_what_holds_texts_or_is_pointed_at_is_updated_not_made_anew(
    now: dict[str, str], before: dict[str, str]
) -> None:
    assert {name: now.get(name) for name in before} == before
