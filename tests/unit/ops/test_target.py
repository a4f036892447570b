"""The target of a command: what is wrong with the environment is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ops.cli import run
from ops.target import Target, TargetError, aws_errors
from sandbox.lifecycle import Sandbox
from sandbox.state import SandboxError
from testing.account import Account


@pytest.fixture(autouse=True)
def _nobodys_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "DEFAULT_PROFILE", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TargetError, match="no AWS Region; set AWS_DEFAULT_REGION"):
        Target.choose(stack="SmsToConnect")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(TargetError, match="no AWS credentials; set AWS_PROFILE"):
        Target.choose(stack="SmsToConnect")


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(TargetError, match="nobody"):
        Target.choose(stack="SmsToConnect")


def test_a_profile_that_was_asked_for_and_is_not_there() -> None:
    with pytest.raises(TargetError, match="somebody"):
        Target.choose(stack="SmsToConnect", profile="somebody")


@pytest.mark.parametrize(("profile", "region"), [("x", None), (None, "x")])
def test_profile_and_region_are_for_a_stack(profile: str | None, region: str | None) -> None:
    with pytest.raises(TargetError, match="go with --stack NAME"):
        Target.choose(stack=None, profile=profile, region=region)


def test_a_stack_is_named_with_its_options_before_it_is_described() -> None:
    target = Target.choose(stack="SmsToConnect", region="eu-west-1", deployed=False)
    assert target.where == "stack SmsToConnect in eu-west-1"
    assert target.options == " --stack SmsToConnect --region eu-west-1"
    assert target.outputs == {}


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDenied"}}, "GetItem"), "stack S does not answer GetItem: AccessDenied"),
        (EndpointConnectionError(endpoint_url="https://aws"), "stack S cannot be reached: Could not connect"),
    ],
)
def test_an_error_of_aws_names_the_target_the_call_and_the_code(trouble: Exception, said: str) -> None:
    with pytest.raises(TargetError, match=said), aws_errors(Target(where="stack S", outputs={}, session=None)):
        raise trouble


def test_the_file_is_the_sandboxs_own_or_that_of_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Target(where="stack S", outputs={}, session=None).config == Path("bridge.toml")

    def of_sandbox(config: str) -> Path:
        local = Sandbox(name="default", port=1, simulator_port=2, processes={}, config=config)
        return Target(where="sandbox default", outputs={}, session=None, sandbox=local).config

    assert of_sandbox(str(tmp_path / "mine.toml")) == Path("mine.toml")
    assert of_sandbox("/elsewhere/mine.toml") == Path("/elsewhere/mine.toml")


def test_no_sandbox_says_how_to_start_one() -> None:
    with pytest.raises(SandboxError, match="start it with: bridge sandbox up --name nobody"):
        Target.choose(stack=None, sandbox="nobody")


@pytest.mark.parametrize(
    "command",
    ["trace x", "trace --from +14255550182", "failed list", "failed show x", "failed redrive", "failed discard --all"],
)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--stack SmsToConnect", "no AWS Region; set AWS_DEFAULT_REGION, --region, or a profile that has one"),
        ("--stack SmsToConnect --region us-east-1", "no AWS credentials; set AWS_PROFILE or --profile"),
        ("--stack SmsToConnect --profile nobody", "nobody"),
        ("--region us-east-1", "--profile and --region go with --stack NAME"),
        ("--sandbox nobody", "no sandbox named nobody is up"),
    ],
)
def test_a_target_that_cannot_be_reached_is_one_line_and_exit_code_2(
    command: str, options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), *options.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("bridge: ") and shown.err.count("\n") == 1 and said in shown.err


@pytest.mark.parametrize(
    "command",
    [
        *("trace x", "failed list", "failed show x", "failed redrive", "failed discard --all", "replay x.json"),
        *("doctor", "numbers", "numbers connect x", "numbers disconnect x"),
    ],
)
def test_each_command_acts_where_its_options_say(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[dict[str, Any]] = []

    def choose(**options: Any) -> Target:
        chosen.append(options)
        raise TargetError("far enough")

    monkeypatch.setattr(Target, "choose", choose)
    given = {"stack": "S", "profile": "p", "region": "eu-west-1", "sandbox": "mine"}
    assert run([*command.split(), *(word for name, value in given.items() for word in (f"--{name}", value))]) == 2
    deployed = not command.startswith("doctor") and command != "numbers"
    assert chosen == [given if deployed else given | {"deployed": False}]


def test_a_stack_is_described_by_its_name(account: Account) -> None:
    assert account.command("failed", "list", "--stack", "SmsToConnect") == 0
    assert account.of("DescribeStacks") == [{"StackName": "SmsToConnect"}]


@pytest.mark.parametrize("arguments", [["sandbox", "sideways"], ["sandbox", "up", "--port", "x"], ["--loud"]])
def test_a_mistake_in_a_command_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("bridge: ")
    assert shown.count("\n") == 1
