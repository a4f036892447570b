"""The stacks whose policies are evaluated: one for each delivery, and one with both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.config import load
from tests.infra.conftest import BRIDGE_TOML, EVERYTHING_TOML, build_app
from tests.permissions.calls import of_functions
from tests.permissions.deployment import Deployment
from tests.permissions.hops import hops
from tests.permissions.verdicts import Verdicts

CONFIGURATIONS: Mapping[str, str] = {
    "integration-event": BRIDGE_TOML,
    "start-chat": EVERYTHING_TOML,
    "both": EVERYTHING_TOML + BRIDGE_TOML.replace("0101", "0102").replace("cdef", "cdee"),
}


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Deployment]:
    """By the name of the configuration."""
    made: dict[str, Deployment] = {}
    for name, toml in CONFIGURATIONS.items():
        folder: Path = tmp_path_factory.mktemp(name)
        (folder / "bridge.toml").write_text(toml)
        config = load(folder / "bridge.toml")
        assembly = build_app(config, folder / "cdk.out").synth()
        template = json.loads(Path(assembly.get_stack_by_name(config.stack).template_full_path).read_text())
        made[name] = Deployment.of(template, config)
    return made


@pytest.fixture(scope="session")
def judged(deployments: Mapping[str, Deployment]) -> Mapping[str, Verdicts]:
    """The verdicts on all calls of the functions and all hops between services, by configuration."""
    return {name: Verdicts.of(one, [*of_functions(one), *hops(one)]) for name, one in deployments.items()}
