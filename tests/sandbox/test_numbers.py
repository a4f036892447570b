"""`bridge numbers` in a sandbox: listing, connecting and restoring numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.config import load
from ops.cli import run
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import OURS, Phones

NUMBER = "+12125550104"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-4"
OLD_TOPIC = "arn:aws:sns:us-east-1:111122223333:old-topic"
OLD_ROLE = "arn:aws:iam::111122223333:role/path,with/signs!/old-role"
TO_CONNECT = "connect.us-east-1.amazonaws.com"


class Ours:
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
def ours(sandbox: Sandbox, phones: Phones, capsys: pytest.CaptureFixture[str]) -> Iterator[Ours]:
    phones.simulator.settings(rates={"*": (1000, 1000)})
    ours = Ours(sandbox, phones, capsys)
    yield ours
    phones.simulator.set_numbers(ours.before)


BEFORE = {
    "off": {},
    "at another topic, in a role": {"two_way": True, "channel": OLD_TOPIC, "role": OLD_ROLE},
    "at another topic, in no role": {"two_way": True, "channel": OLD_TOPIC},
    "at Amazon Connect": {"two_way": True, "channel": TO_CONNECT, "role": OLD_ROLE},
    "at a topic with a very long name": {"two_way": True, "channel": f"{OLD_TOPIC}{'-' * 230}", "role": OLD_ROLE},
}


@pytest.mark.parametrize("before", BEFORE)
def test_a_number_is_connected_and_what_stood_before_is_restored(before: str, ours: Ours) -> None:
    ours.have(**BEFORE[before])
    stood, outputs = ours.now(), ours.sandbox.outputs
    said = ours.bridge("connect", NUMBER)
    assert ours.now() == (True, outputs["InboundTopicArn"], outputs["TwoWayChannelRoleArn"])
    assert f"bridge numbers disconnect {NUMBER} --sandbox {ours.sandbox.name}" in said
    said = ours.bridge("disconnect", NUMBER)
    assert ours.now() == stood
    assert ours.tags() == {}
    assert ("off for a moment" in said) == (before == "at another topic, in no role")


def test_twice_is_once(ours: Ours) -> None:
    ours.have(two_way=True, channel=OLD_TOPIC, role=OLD_ROLE)
    ours.bridge("connect", NUMBER)
    count = len(ours.calls())
    assert "nothing to do" in ours.bridge("connect", NUMBER)
    assert ours.calls()[count:] == []
    ours.bridge("disconnect", NUMBER)
    assert "nothing to do" in ours.bridge("disconnect", NUMBER)
    assert ours.now() == (True, OLD_TOPIC, OLD_ROLE)


def test_what_stood_before_is_noted_before_anything_is_changed(ours: Ours) -> None:
    ours.have(two_way=True, channel=OLD_TOPIC, role=OLD_ROLE)
    ours.simulator.fault("refuse", operation="UpdatePhoneNumber")
    error = ours.bridge("connect", NUMBER, expect=2)
    assert "AccessDeniedException" in error and "iam:PassRole" in error and error.count("\n") == 1
    ours.simulator.clear_faults()
    assert ours.now() == (True, OLD_TOPIC, OLD_ROLE)
    assert ours.tags()
    ours.bridge("connect", NUMBER)
    ours.bridge("disconnect", NUMBER)
    assert ours.now() == (True, OLD_TOPIC, OLD_ROLE)


def test_mending_the_role_of_a_connected_number_keeps_what_stood_before_it(ours: Ours) -> None:
    ours.have()
    ours.bridge("connect", NUMBER)
    ours.simulator.set_numbers([*ours.before, {"number": NUMBER, "arn": ARN, "role": OLD_ROLE}])
    ours.bridge("connect", NUMBER)
    ours.bridge("disconnect", NUMBER)
    assert ours.now() == (False, None, None)


def test_a_number_connected_again_has_no_tag_of_its_old_topic(ours: Ours) -> None:
    ours.have(**BEFORE["at a topic with a very long name"])
    ours.bridge("connect", NUMBER)
    assert len(ours.tags()) > 1
    elsewhere = {"two_way": True, "channel": f"{OLD_TOPIC}-2", "role": None}
    ours.simulator.set_numbers([*ours.before, {"number": NUMBER, "arn": ARN, **elsewhere}])
    ours.bridge("connect", NUMBER)
    assert len(ours.tags()) == 1
    ours.bridge("disconnect", NUMBER)
    assert (ours.now(), ours.tags()) == ((True, f"{OLD_TOPIC}-2", None), {})


def test_a_number_that_somebody_pointed_elsewhere_is_left_as_it_is(ours: Ours) -> None:
    ours.have()
    ours.bridge("connect", NUMBER)
    ours.simulator.set_numbers([*ours.before, {"number": NUMBER, "arn": ARN, "channel": OLD_TOPIC}])
    assert "nothing to do" in ours.bridge("disconnect", NUMBER)
    assert ours.now()[1] == OLD_TOPIC


def test_a_number_that_was_connected_otherwise_is_not_guessed_at(ours: Ours) -> None:
    outputs = ours.sandbox.outputs
    ours.have(two_way=True, channel=outputs["InboundTopicArn"], role=outputs["TwoWayChannelRoleArn"])
    error = ours.bridge("disconnect", NUMBER, expect=2)
    assert "nobody noted what stood before" in error and "--no-two-way-enabled" in error
    assert ours.now()[0] is True


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
def test_a_number_that_cannot_be_connected_is_one_line(more: dict[str, Any], said: str, ours: Ours) -> None:
    ours.have(**more)
    error = ours.bridge("connect", NUMBER, expect=2)
    assert said in error and error.count("\n") == 1
    assert ours.now() == (False, None, None)


def test_a_number_of_nobody_is_one_line(ours: Ours) -> None:
    assert "is none of your numbers; see: bridge numbers" in ours.bridge("connect", "+12125550109", expect=2)


def test_end_user_messagings_own_pace_is_kept(ours: Ours) -> None:
    ours.have()
    ours.simulator.settings(rates={"*": (1, 1)})
    ours.bridge("connect", NUMBER)
    assert ours.now()[0] is True


def test_numbers_are_listed_and_those_that_are_missing_can_be_pasted(
    ours: Ours, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ours.have(two_way=True, channel=TO_CONNECT, role=OLD_ROLE)
    shown = ours.bridge()
    assert max(map(len, shown.splitlines()[:5])) <= 80
    lines = [line.split() for line in shown.splitlines()]
    assert [OURS, "ACTIVE", "to", "this", "stack", "integration-event"] in lines
    assert [NUMBER, "ACTIVE", "to", "Amazon", "Connect", "missing"] in lines
    pasted = tmp_path_factory.mktemp("pasted") / "bridge.toml"
    pasted.write_text(shown[shown.index("[[numbers]]") :], encoding="utf-8")
    assert [(number.number, number.arn) for number in load(pasted).numbers] == [(NUMBER, ARN)]
    rows = [json.loads(line) for line in ours.bridge("--json").splitlines()]
    assert [row["number"] for row in rows if row["can_be_added"]] == [NUMBER]


def test_numbers_are_listed_before_the_stack_is_deployed(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": ours.sandbox.endpoint_url,
        "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": ours.sandbox.simulator_url,
        "AWS_ACCESS_KEY_ID": ours.sandbox.account,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }.items():
        monkeypatch.setenv(name, value)
    options = ["--stack", "Nothing", "--region", "us-east-1", "--config", ours.sandbox.config]
    assert run(["numbers", *options]) == 0
    assert OURS in capsys.readouterr().out
    assert run(["numbers", "connect", OURS, *options[:-2]]) == 2
    assert "there is no stack Nothing in us-east-1" in capsys.readouterr().err
