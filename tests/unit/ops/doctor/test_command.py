"""How the checks of `bridge doctor` are made one after another, and what the command prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ops.cli import run
from ops.console import Output
from ops.doctor.command import CHECKS
from ops.doctor.findings import Check, Finding, State, examine, fail, ok
from ops.doctor.preflight import DeniedError, Identity, Preflight, UnmetError
from testing.preflight import NUMBERS, preflight


def made(*checks: Check) -> list[Finding]:
    return list(examine(checks, preflight()))


def test_a_denied_call_names_the_missing_permission_and_stops_no_other_check() -> None:
    def denied(_: Preflight) -> Iterator[Finding]:
        yield ok("one thing")
        raise DeniedError("sns:GetTopicAttributes")

    found = made(Check("first", denied), Check("second", lambda _: [ok("well")]))
    assert [(finding.check, finding.state) for finding in found] == [
        ("first", State.OK),
        ("first", State.CANNOT_TELL),
        ("second", State.OK),
    ]
    assert found[1].remedy == "needs the permission sns:GetTopicAttributes"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError({"Error": {"Code": "InternalError"}}, "DescribeKey"), "DescribeKey answers InternalError"),
        (EndpointConnectionError(endpoint_url="https://kms.us-east-1.amazonaws.com/"), "no answer: Could not connect"),
    ],
)
def test_what_is_not_answered_cannot_be_told(error: Exception, said: str) -> None:
    def unanswered(_: Preflight) -> Iterator[Finding]:
        raise error

    (found,) = made(Check("key", unanswered))
    assert found.state == State.CANNOT_TELL
    assert said in found.finding


def test_what_needs_an_earlier_finding_is_left_out_by_name() -> None:
    def needs_the_stack(preflight: Preflight) -> Iterator[Finding]:
        yield ok(preflight.outputs["InboundTopicArn"])

    found = made(Check("topic", needs_the_stack), Check("stack", lambda _: [fail("no stack", "deploy it")]))
    assert [(one.check, one.state) for one in found] == [("stack", State.FAIL), ("topic", State.LEFT_OUT)]


def test_a_call_that_is_denied_is_named_as_iam_names_it() -> None:
    class Client:
        class meta:  # noqa: N801
            class service_model:  # noqa: N801
                signing_name = "monitoring"

        def get_metric_data(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData")

    here = preflight()
    here.identity = Identity("111122223333", "arn:aws:iam::111122223333:root")
    here._clients["cloudwatch"] = Client()
    with pytest.raises(DeniedError, match=r"^cloudwatch:GetMetricData$"):
        here.ask("cloudwatch", "get_metric_data")


def test_nothing_is_known_before_it_was_found() -> None:
    for name in ("config", "identity", "outputs", "resources", "phone_numbers"):
        with pytest.raises(UnmetError):
            getattr(preflight(), name)


def test_a_finding_is_one_line_with_a_remedy_and_a_command_that_can_be_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "aws sns get-topic-attributes --topic-arn arn:aws:sns:us-east-1:111122223333:t"
    Output().entry({}, mark="fail", text="a short text", below="look", command=long)
    Output().entry({}, mark="cannot tell", text="a text that is longer than one line", below="look", command="here")
    assert capsys.readouterr().out.splitlines() == [
        "fail         a short text",
        "             look:",
        f"             {long}",
        "cannot tell  a text that is longer than",
        "             one line",
        "             look: here",
    ]


@pytest.fixture
def _nobodys_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROFILE", "DEFAULT_PROFILE", "REGION", "DEFAULT_REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("_nobodys_aws")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no AWS Region; set AWS_DEFAULT_REGION"),
        (["--region", "us-east-1"], "no AWS credentials; set AWS_PROFILE"),
    ],
)
def test_without_credentials_or_region_the_second_line_says_so(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text(NUMBERS)
    assert run(["doctor", "--stack", "SmsToConnect", "--config", str(config), *arguments]) == 1
    sound, failed, below, *rest = capsys.readouterr().out.splitlines()
    assert sound.startswith("ok           bridge.toml:")
    finding, remedy = said.split("; ")
    assert failed.startswith(f"fail         credentials: {finding}")
    assert below.strip().startswith(remedy)
    assert rest[0].startswith("left out     stack, configuration, functions,")


@pytest.mark.usefixtures("_nobodys_aws")
def test_every_mistake_of_the_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[[numbers]]\nnumber = "12"\narn = "x"\n')
    assert run(["doctor", "--stack", "S", "--region", "us-east-1", "--config", str(bad)]) == 1
    shown = capsys.readouterr().out
    assert shown.count("fail         bridge.toml: line") == 2


def test_the_docs_name_every_check() -> None:
    docs = (Path(__file__).parents[4] / "docs/commands.md").read_text(encoding="utf-8")
    section = docs[docs.index("### `bridge doctor`") : docs.index("### `bridge numbers`")]
    rows = section[section.index("| check |") :].splitlines()[2:]
    named = [name for row in rows if row for name in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert named == [check.name for check in CHECKS]
