"""Each configuration is synthesised once for all tests; `Synthesised` reads the template."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

import app
from infra import packaging
from infra.config import BridgeConfig, load

ROOT = Path(app.__file__).parent
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The Lambda runtime of the Python that runs the tests."""
CONTEXT: Mapping[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
BRIDGE_TOML = """
[[numbers]]
number = "+12125550101"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""
"""All defaults."""

EVERYTHING_TOML = f"""
stack = "Other"
[start_chat]
instance_arn = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
contact_flow_id = "abcdef01-1234-1234-1234-123456789012"
[limits]
give_up_after = "20m"
retry_longest = "10m"
[operation]
alarm_email = "ops@example.com"
expect_texts_every = "4h"
{BRIDGE_TOML}delivery = "start-chat"
"""
"""With replies, e-mail and expected texts; another stack name and other times."""


INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
MIXED_TOML = f"""
[start_chat]
instance_arn = "{INSTANCE}"
contact_flow_id = "{FLOW}"
{BRIDGE_TOML}delivery = "start-chat"
{BRIDGE_TOML.replace("0101", "0102").replace("cdef", "cdee")}
"""
"""One number of each delivery."""
ELSEWHERE = {"us-east-1": "eu-central-1", "111122223333": "444455556666"}
"""Another Region and another account."""


def elsewhere(text: str) -> str:
    for here, there in ELSEWHERE.items():
        text = text.replace(here, there)
    return text


CONFIGURATIONS: Mapping[str, str] = {
    "default": BRIDGE_TOML,
    "start-chat": EVERYTHING_TOML,
    "mixed": MIXED_TOML,
    "elsewhere": elsewhere(MIXED_TOML),
}
"""A bridge.toml for each kind of stack; "start-chat" has that delivery only."""


@dataclass(frozen=True)
class Synthesised:
    """A template, read by references rather than by generated names."""

    template: Mapping[str, Any]

    def all(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """Properties of the resources of a type, by logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def one(self, kind: str) -> Mapping[str, Any]:
        (properties,) = self.all(kind).values()
        return properties

    def get(self, logical_id: str) -> Mapping[str, Any]:
        properties: Mapping[str, Any] = self.template["Resources"][logical_id]["Properties"]
        return properties

    def function(self, name: str) -> str:
        """Logical id of a function."""
        (found,) = (
            key
            for key, lambda_ in self.all("Lambda::Function").items()
            if lambda_["Handler"] == f"bridge.{name}.handler"
        )
        return found

    def has_function(self, name: str, logical_id: str) -> bool:
        """Whether the logical id is that of this function."""
        found = self.template["Resources"].get(logical_id, {})
        return bool(found) and found["Properties"].get("Handler") == f"bridge.{name}.handler"

    def role(self, name: str) -> str:
        """Logical id of a function's role."""
        return refers_to(self.get(self.function(name))["Role"])

    def allowed(self, role: str) -> set[tuple[str, str]]:
        """What a role's policies allow: action, and logical id of the resource or `*`."""
        assert not {"Policies", "ManagedPolicyArns"} & self.get(role).keys()
        return {
            (action, refers_to(resource))
            for policy in self.all("IAM::Policy").values()
            if role in [refers_to(one) for one in policy["Roles"]]
            for statement in policy["PolicyDocument"]["Statement"]
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
            if expect_plain_allow(statement)
        }


def expect_plain_allow(statement: Mapping[str, Any]) -> bool:
    assert statement["Effect"] == "Allow"
    assert statement.keys() <= {"Effect", "Action", "Resource"}
    return True


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def refers_to(value: Any) -> str:
    """The logical id in a Ref or GetAtt; a string is returned as it is."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    assert function in ("Ref", "Fn::GetAtt"), value
    return str(argument if function == "Ref" else argument[0])


def attached_to(policy: Any) -> list[str]:
    """Logical ids of what a policy belongs to."""
    return [refers_to(one) for key in ("Queues", "Topics", "Roles") for one in policy.get(key, [])]


def text(value: Any) -> str:
    """A joined text with its references as ${...}."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator.join(text(part) for part in parts))
    return f"${{{refers_to(value)}}}"


def build_app(config: BridgeConfig, outdir: Path, **context: str) -> cdk.App:
    """The app as in `cdk synth`; `context` is that of `-c`. The CDK's own template validation is off: it takes five
    seconds and finds less than cfn-lint."""
    made = cdk.App(
        analytics_reporting=False,
        context={**CONTEXT, **context},
        outdir=str(outdir),
        builtin_cloud_formation_validation=False,
    )
    app.bridge(made, config=config)
    return made


@dataclass(frozen=True)
class Built:
    """A configuration and its template."""

    config: BridgeConfig
    template_file: Path

    @cached_property
    def stack(self) -> Synthesised:
        return Synthesised(json.loads(self.template_file.read_text()))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """Synthesises one of CONFIGURATIONS, once."""

    @cache
    def build(name: str) -> Built:
        config, outdir = configured(name, tmp_path_factory.mktemp(name)), tmp_path_factory.mktemp("cdk.out")
        build_app(config, outdir).synth()
        return Built(config, outdir / "Bridge.template.json")

    return build


def configured(name: str, folder: Path) -> BridgeConfig:
    path = folder / "bridge.toml"
    path.write_text(CONFIGURATIONS[name])
    return load(path)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> BridgeConfig:
    """That of the default stack; it synthesises nothing, for tests in which the synth must fail."""
    return configured("default", tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def archive(config: BridgeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions' archive with byte-code of the Python that runs the tests."""
    return packaging.build(
        config=config.runtime_json(), runtime=RUNTIME, into=tmp_path_factory.mktemp("archives")
    ).folder


@pytest.fixture(scope="session")
def stack(built: Callable[[str], Built]) -> Synthesised:
    return built("default").stack


@pytest.fixture(scope="session")
def everything(built: Callable[[str], Built]) -> Synthesised:
    """The stack of EVERYTHING_TOML."""
    return built("start-chat").stack


@pytest.fixture
def own_stack(built: Callable[[str], Built]) -> Synthesised:
    """A stack that a test may change."""
    return Synthesised(json.loads(built("default").template_file.read_text()))
