"""`bridge numbers` in a sandbox: listing, connecting and restoring numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.config import load
from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import BUSINESS_NUMBER, Phones

NUMBER = "+12125550104"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-4"
OLD_TOPIC = "arn:aws:sns:us-east-1:111122223333:old-topic"
OLD_ROLE = "arn:aws:iam::111122223333:role/path,with/signs!/old-role"
TO_CONNECT = "connect.us-east-1.amazonaws.com"


class TwoWayNumber:
    """The account's numbers, with one that bridge.toml does not have, and the command."""

    def __init__(self, sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]) -> None:
        self.sandbox, self.simulator, self._capsys = sandbox, phones.simulator, capsys
        self.before = self.simulator.numbers()

    def have(self, **more: Any) -> None:
        """Resets NUMBER to a new number with these fields."""
        self.simulator.set_numbers(self.before)
        self.simulator.set_numbers([*self.before, {"number": NUMBER, "arn": ARN, **more}])

    def now(self) -> tuple[bool, str | None, str | None]:
        (one,) = (number for number in self.simulator.numbers() if number["number"] == NUMBER)
        return one["two_way"], one["channel"], one["role"]

    def tags(self) -> dict[str, str]:
        (one,) = (number for number in self.simulator.numbers() if number["number"] == NUMBER)
        return dict(one["tags"])

    def bridge(self, *arguments: str, expect: int = 0) -> str:
        self._capsys.readouterr()
        assert run(["numbers", *arguments, "--sandbox", self.sandbox.name]) == expect
        shown = self._capsys.readouterr()
        return shown.err if expect else shown.out

    def calls(self) -> list[str]:
        return [entry["operation"] for entry in self.simulator.journal() if entry["source"] == NUMBER]


@pytest.fixture
def number(sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]) -> Iterator[TwoWayNumber]:
    phones.simulator.settings(rates={"*": (1000, 1000)})
    number = TwoWayNumber(sandbox, phones, capsys)
    yield number
    phones.simulator.set_numbers(number.before)


BEFORE = {
    "off": {},
    "at another topic, in a role": {"two_way": True, "channel": OLD_TOPIC, "role": OLD_ROLE},
    "at another topic, in no role": {"two_way": True, "channel": OLD_TOPIC},
    "at Amazon Connect": {"two_way": True, "channel": TO_CONNECT, "role": OLD_ROLE},
    "at a topic with a very long name": {"two_way": True, "channel": f"{OLD_TOPIC}{'-' * 230}", "role": OLD_ROLE},
}


@pytest.mark.parametrize("before", BEFORE)
def test_a_number_is_connected_and_what_stood_before_is_restored(before: str, number: TwoWayNumber) -> None:
    number.have(**BEFORE[before])
    stood, outputs = number.now(), number.sandbox.outputs
    said = number.bridge("connect", NUMBER)
    assert number.now() == (True, outputs["InboundTopicArn"], outputs["TwoWayChannelRoleArn"])
    assert f"bridge numbers disconnect {NUMBER} --sandbox {number.sandbox.name}" in said
    said = number.bridge("disconnect", NUMBER)
    assert number.now() == stood
    assert number.tags() == {}
    assert ("off for a moment" in said) == (before == "at another topic, in no role")


def test_twice_is_once(number: TwoWayNumber) -> None:
    number.have(two_way=True, channel=OLD_TOPIC, role=OLD_ROLE)
    number.bridge("connect", NUMBER)
    count = len(number.calls())
    assert "nothing to do" in number.bridge("connect", NUMBER)
    assert number.calls()[count:] == []
    number.bridge("disconnect", NUMBER)
    assert "nothing to do" in number.bridge("disconnect", NUMBER)
    assert number.now() == (True, OLD_TOPIC, OLD_ROLE)


def test_the_earlier_channel_is_stored_before_anything_is_changed(number: TwoWayNumber) -> None:
    number.have(two_way=True, channel=OLD_TOPIC, role=OLD_ROLE)
    number.simulator.fault("refuse", operation="UpdatePhoneNumber")
    error = number.bridge("connect", NUMBER, expect=2)
    assert "AccessDeniedException" in error and "iam:PassRole" in error and error.count("\n") == 1
    number.simulator.clear_faults()
    assert number.now() == (True, OLD_TOPIC, OLD_ROLE)
    assert number.tags()
    number.bridge("connect", NUMBER)
    number.bridge("disconnect", NUMBER)
    assert number.now() == (True, OLD_TOPIC, OLD_ROLE)


def test_mending_the_role_of_a_connected_number_keeps_what_stood_before_it(number: TwoWayNumber) -> None:
    number.have()
    number.bridge("connect", NUMBER)
    number.simulator.set_numbers([*number.before, {"number": NUMBER, "arn": ARN, "role": OLD_ROLE}])
    number.bridge("connect", NUMBER)
    number.bridge("disconnect", NUMBER)
    assert number.now() == (False, None, None)


def test_a_number_connected_again_has_no_tag_of_its_old_topic(number: TwoWayNumber) -> None:
    number.have(**BEFORE["at a topic with a very long name"])
    number.bridge("connect", NUMBER)
    assert len(number.tags()) > 1
    elsewhere = {"two_way": True, "channel": f"{OLD_TOPIC}-2", "role": None}
    number.simulator.set_numbers([*number.before, {"number": NUMBER, "arn": ARN, **elsewhere}])
    number.bridge("connect", NUMBER)
    assert len(number.tags()) == 1
    number.bridge("disconnect", NUMBER)
    assert (number.now(), number.tags()) == ((True, f"{OLD_TOPIC}-2", None), {})


def test_a_number_that_somebody_pointed_elsewhere_is_left_as_it_is(number: TwoWayNumber) -> None:
    number.have()
    number.bridge("connect", NUMBER)
    number.simulator.set_numbers([*number.before, {"number": NUMBER, "arn": ARN, "channel": OLD_TOPIC}])
    assert "nothing to do" in number.bridge("disconnect", NUMBER)
    assert number.now()[1] == OLD_TOPIC


def test_a_number_that_was_connected_otherwise_is_not_guessed_at(number: TwoWayNumber) -> None:
    outputs = number.sandbox.outputs
    number.have(two_way=True, channel=outputs["InboundTopicArn"], role=outputs["TwoWayChannelRoleArn"])
    error = number.bridge("disconnect", NUMBER, expect=2)
    assert "records its channel before" in error and "--no-two-way-enabled" in error
    assert number.now()[0] is True


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pool": "pool-1"}, "is in pool pool-1"),
        ({"status": "PENDING"}, "is PENDING"),
        ({"capabilities": ["VOICE"]}, "has no SMS"),
        ({"two_way_possible": False}, "ValidationException TWO_WAY_NOT_SUPPORTED_IN_COUNTRY"),
    ],
    ids=str,
)
def test_a_number_that_cannot_be_connected_is_one_line(more: dict[str, Any], said: str, number: TwoWayNumber) -> None:
    number.have(**more)
    error = number.bridge("connect", NUMBER, expect=2)
    assert said in error and error.count("\n") == 1
    assert number.now() == (False, None, None)


def test_a_number_of_nobody_is_one_line(number: TwoWayNumber) -> None:
    assert "is none of your numbers; see: bridge numbers" in number.bridge("connect", "+12125550109", expect=2)


def test_end_user_messagings_own_rate_is_kept(number: TwoWayNumber) -> None:
    number.have()
    number.simulator.settings(rates={"*": (1, 1)})
    number.bridge("connect", NUMBER)
    assert number.now()[0] is True


def test_numbers_are_listed_and_those_that_are_missing_can_be_pasted(
    number: TwoWayNumber, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    number.have(two_way=True, channel=TO_CONNECT, role=OLD_ROLE)
    shown = number.bridge()
    assert max(map(len, shown.splitlines()[:5])) <= 80
    lines = [line.split() for line in shown.splitlines()]
    assert [BUSINESS_NUMBER, "ACTIVE", "to", "this", "stack", "integration-event"] in lines
    assert [NUMBER, "ACTIVE", "to", "Amazon", "Connect", "missing"] in lines
    pasted = tmp_path_factory.mktemp("pasted") / "bridge.toml"
    pasted.write_text(shown[shown.index("[[numbers]]") :], encoding="utf-8")
    assert [(number.number, number.arn) for number in load(pasted).numbers] == [(NUMBER, ARN)]
    rows = [json.loads(line) for line in number.bridge("--json").splitlines()]
    assert [row["number"] for row in rows if row["can_be_added"]] == [NUMBER]


def test_numbers_are_listed_before_the_stack_is_deployed(
    number: TwoWayNumber, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": number.sandbox.endpoint_url,
        "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": number.sandbox.simulator_url,
        "AWS_ACCESS_KEY_ID": number.sandbox.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    options = ["--stack", "Nothing", "--region", "us-east-1", "--config", number.sandbox.config]
    assert run(["numbers", *options]) == 0
    assert BUSINESS_NUMBER in capsys.readouterr().out
    assert run(["numbers", "connect", BUSINESS_NUMBER, *options[:-2]]) == 2
    assert "there is no stack Nothing in us-east-1" in capsys.readouterr().err
