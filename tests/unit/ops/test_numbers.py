"""`bridge numbers`: the list, and the two-way channel with the earlier one in tags."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import BridgeConfig, load
from ops.cli import run
from ops.doctor.findings import State
from ops.doctor.numbers import described_as, of_channel, of_identity, of_pool, well
from ops.numbers.command import block, rows
from ops.numbers.two_way import LONGEST_VALUE, TAG, Change, PhoneNumbers, TwoWayChannel, from_tags, to_tags
from ops.target import Target, TargetError

ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
OTHER = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210"
TOPIC = "arn:aws:sns:us-east-1:111122223333:inbound"
ROLE = "arn:aws:iam::111122223333:role/channel"
STACK_CHANNEL = TwoWayChannel(TOPIC, ROLE)
OUTPUTS = {"InboundTopicArn": TOPIC, "TwoWayChannelRoleArn": ROLE}
BRIDGE_TOML = f'[[numbers]]\nnumber = "+12125550101"\narn = "{ARN}"\n'


def described(number: str = "+12125550101", arn: str = ARN, **more: Any) -> dict[str, Any]:
    return {
        "PhoneNumber": number,
        "PhoneNumberArn": arn,
        "PhoneNumberId": arn.rpartition("/")[2],
        "Status": "ACTIVE",
        "NumberCapabilities": ["SMS"],
        "TwoWayEnabled": True,
        "TwoWayChannelArn": TOPIC,
        "TwoWayChannelRole": ROLE,
        "SelfManagedOptOutsEnabled": False,
    } | more


@pytest.fixture
def config(tmp_path: Path) -> BridgeConfig:
    path = tmp_path / "bridge.toml"
    path.write_text(BRIDGE_TOML)
    return load(path)


# --- what the tags store ------------------------------------------------------------------------------------


arns = st.from_regex(r"\Aarn:aws:[a-z]{3}:us-east-1:111122223333:[!-~]{1,600}\Z")


@given(st.builds(TwoWayChannel) | st.builds(TwoWayChannel, arns) | st.builds(TwoWayChannel, arns, arns))
def test_whatever_stood_before_fits_into_tags_and_is_read_from_them(before: TwoWayChannel) -> None:
    stored = to_tags(before)
    assert all(re.fullmatch(r"[A-Za-z0-9_.:/=+@-]+", text) for text in (*stored, *stored.values()))
    assert all(len(key) <= 128 and len(value) <= LONGEST_VALUE for key, value in stored.items())
    assert from_tags({"another": "tag", **stored}) == before


def test_without_the_tag_nothing_is_remembered() -> None:
    assert from_tags({"another": "tag", f"{TAG}-2": "rest"}) is None


# --- the list ----------------------------------------------------------------------------------------------


def test_each_number_is_listed_with_what_bridge_toml_says_of_it(config: BridgeConfig) -> None:
    found = rows([described(), described("+12125550102", OTHER, TwoWayEnabled=False)], config, OUTPUTS)
    shown = [(row["number"], row["texts_go"], row["bridge_toml"]) for row in found]
    assert shown == [
        ("+12125550101", "to this stack", "integration-event"),
        ("+12125550102", "nowhere", "missing"),
    ]


def test_a_number_that_only_bridge_toml_knows_is_listed_too(config: BridgeConfig) -> None:
    (row,) = rows([], config, OUTPUTS)
    assert (row["number"], row["status"], row["can_be_added"]) == ("+12125550101", "not there", False)


def test_another_arn_is_told(config: BridgeConfig) -> None:
    (row,) = rows([described(arn=OTHER)], config, OUTPUTS)
    assert row["bridge_toml"] == "with another ARN"


@pytest.mark.parametrize(
    ("now", "outputs", "shown"),
    [
        ({"TwoWayChannelRole": None}, OUTPUTS, "to this stack, in another role"),
        ({"TwoWayChannelArn": "connect.us-east-1.amazonaws.com"}, OUTPUTS, "to Amazon Connect"),
        ({"TwoWayChannelArn": f"{TOPIC}-2"}, OUTPUTS, "to topic inbound-2"),
        ({}, {}, "to topic inbound"),
        ({"PoolId": "pool-1"}, OUTPUTS, "as pool pool-1 says"),
    ],
)
def test_where_a_numbers_texts_go_is_said(
    now: dict[str, Any], outputs: dict[str, str], shown: str, config: BridgeConfig
) -> None:
    (row,) = rows([described(**now)], config, outputs)
    assert row["texts_go"] == shown


def test_the_block_to_paste_is_a_bridge_toml_and_goes_behind_another(config: BridgeConfig, tmp_path: Path) -> None:
    (row,) = (row for row in rows([described(), described("+12125550102", OTHER)], config, {}) if row["can_be_added"])
    path = tmp_path / "pasted.toml"
    path.write_text(block(row))
    assert [(number.number, number.arn) for number in load(path).numbers] == [("+12125550102", OTHER)]
    path.write_text(f"{BRIDGE_TOML}\n{block(row)}")
    assert [number.number for number in load(path).numbers] == ["+12125550101", "+12125550102"]


@pytest.mark.parametrize(
    "more", [{"number": "12345"}, {"NumberCapabilities": ["VOICE"]}, {"Status": "DELETED"}], ids=str
)
def test_what_bridge_toml_would_not_take_is_not_offered(more: dict[str, Any], config: BridgeConfig) -> None:
    (row, _) = rows([described(**{"number": "+12125550102", "arn": OTHER} | more)], config, {})
    assert (row["bridge_toml"], row["can_be_added"]) == ("not possible", False)


# --- doctor ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "the account has no such number"),
        (described("+12125550102"), "its ARN in bridge.toml is that of +12125550102"),
        (described(arn=OTHER), "has another ARN than bridge.toml says"),
        (described(Status="PENDING"), "is PENDING, not ACTIVE"),
        (described(NumberCapabilities=["VOICE"]), "has no SMS"),
        (described(), None),
    ],
)
def test_a_number_must_be_the_one_that_bridge_toml_names(
    found: dict[str, Any] | None, said: str | None, config: BridgeConfig
) -> None:
    finding = of_identity(config.numbers[0], found, options="")
    assert said in finding.finding if finding and said else finding is None


def test_a_number_is_known_by_its_arn_before_its_number(config: BridgeConfig) -> None:
    one, two = described(arn=OTHER), described("+12125550102")
    assert described_as(config.numbers[0], [one, two]) == two
    assert described_as(config.numbers[0], [one]) == one
    assert described_as(config.numbers[0], []) is None


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (TwoWayChannel(), "two-way SMS is off"),
        (TwoWayChannel("connect.us-east-1.amazonaws.com", ROLE), "straight to Amazon Connect"),
        (TwoWayChannel(f"{TOPIC}-2", ROLE), f"its texts go to {TOPIC}-2"),
        (TwoWayChannel(TOPIC), "in no role"),
        (TwoWayChannel(TOPIC, f"{ROLE}-2"), f"in another role, {ROLE}-2"),
    ],
)
def test_a_numbers_texts_must_come_to_this_stack_in_its_role(now: TwoWayChannel, said: str) -> None:
    finding = of_channel("+12125550101", now, stack=STACK_CHANNEL, options=" --stack S")
    assert finding and finding.state == State.FAIL and said in finding.finding
    assert finding.command == "bridge numbers connect +12125550101 --stack S"


def test_a_number_of_a_pool_is_as_its_pool_is() -> None:
    assert of_channel("+12125550101", STACK_CHANNEL, stack=STACK_CHANNEL, options="") is None
    assert of_pool("pool-1", STACK_CHANNEL, stack=STACK_CHANNEL).state == State.OK
    elsewhere = of_pool("pool-1", TwoWayChannel(), stack=STACK_CHANNEL)
    assert elsewhere.state == State.FAIL and f"--two-way-channel-role {ROLE}" in elsewhere.command


def test_who_answers_stop_is_said() -> None:
    assert "STOP" not in well(described())
    assert "STOP and HELP come as texts" in well(described(SelfManagedOptOutsEnabled=True))


# --- a change is looked for --------------------------------------------------------------------------------


class Eum:
    """End User Messaging with one number. A change shows after some requests; a role stays until two-way SMS is off."""

    def __init__(self, shows_after: float = 0) -> None:
        self.number, self._coming, self._left = described(TwoWayEnabled=False), dict[str, Any](), shows_after
        self.tags: dict[str, str] = {}
        self.updates = math.inf
        """This many updates succeed; the process is killed in the next one."""

    def get_paginator(self, _: str) -> Eum:
        return self

    def paginate(self) -> list[Any]:
        return [{"PhoneNumbers": [self.number]}]

    def list_tags_for_resource(self, **_: Any) -> Any:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]}

    def tag_resource(self, *, Tags: list[dict[str, str]], **_: Any) -> None:  # noqa: N803
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}

    def untag_resource(self, *, TagKeys: list[str], **_: Any) -> None:  # noqa: N803
        for key in TagKeys:
            del self.tags[key]

    def update_phone_number(self, **changes: Any) -> None:
        if not self.updates:
            raise KeyboardInterrupt
        self.updates -= 1
        off = {} if changes["TwoWayEnabled"] else {"TwoWayChannelArn": None, "TwoWayChannelRole": None}
        self._coming |= changes | off

    def describe_phone_numbers(self, **_: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            self.number |= self._coming
        return {"PhoneNumbers": [self.number]}

    @property
    def now(self) -> TwoWayChannel:
        return TwoWayChannel.of(self.number)


def numbers(eum: Eum, pauses: list[float] | None = None) -> PhoneNumbers:
    class Session:
        def client(self, *_: Any, **__: Any) -> Eum:
            return eum

    target = Target(where="stack S", outputs=OUTPUTS, session=Session(), stack="S", options=" --stack S")
    return PhoneNumbers(target, pause=([] if pauses is None else pauses).append)


def connecting(eum: Eum, pauses: list[float]) -> Change:
    return numbers(eum, pauses).connect("+12125550101")


def test_a_change_that_shows_late_is_waited_for() -> None:
    pauses: list[float] = []
    assert connecting(Eum(shows_after=2), pauses).now == STACK_CHANNEL
    assert pauses == [1, 1]


def test_a_change_that_never_shows_was_not_made() -> None:
    with pytest.raises(TargetError, match=r"took the change of \+12125550101, and shows two-way SMS: off"):
        connecting(Eum(shows_after=math.inf), [])


BEFORE_US = TwoWayChannel(f"{TOPIC}-2")
"""Without a role: to restore that, two-way SMS must be off for a moment."""


def disconnecting(*, updates: int) -> Eum:
    """A connected number whose disconnect was killed after so many updates."""
    eum = Eum()
    eum.number |= {"TwoWayEnabled": True, "TwoWayChannelArn": BEFORE_US.channel, "TwoWayChannelRole": None}
    numbers(eum).connect("+12125550101")
    assert eum.now == STACK_CHANNEL
    eum.updates = updates
    with pytest.raises(KeyboardInterrupt):
        numbers(eum).disconnect("+12125550101")
    eum.updates = math.inf
    eum.describe_phone_numbers()
    return eum


@pytest.mark.parametrize("updates", [0, 1, 2])
def test_a_disconnect_interrupted_anywhere_and_repeated_restores_the_channel(updates: int) -> None:
    eum = disconnecting(updates=updates)
    assert numbers(eum).disconnect("+12125550101").now == BEFORE_US == eum.now
    assert eum.tags == {}
    assert numbers(eum).disconnect("+12125550101").now == BEFORE_US, "there is nothing to do"


@pytest.mark.parametrize("updates", [0, 1, 2])
def test_connect_after_an_interrupted_disconnect_keeps_the_earlier_channel(updates: int) -> None:
    eum = disconnecting(updates=updates)
    numbers(eum).connect("+12125550101")
    assert (eum.now, from_tags(eum.tags)) == (STACK_CHANNEL, BEFORE_US)


def test_connect_stores_the_current_channel_over_an_older_one() -> None:
    eum = Eum()
    eum.tags = to_tags(TwoWayChannel(f"{TOPIC}-3", "x" * 600))
    eum.number |= {"TwoWayEnabled": True, "TwoWayChannelArn": BEFORE_US.channel, "TwoWayChannelRole": None}
    numbers(eum).connect("+12125550101")
    assert from_tags(eum.tags) == BEFORE_US


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Status": "PENDING"}, "is PENDING; it can be changed once it is ACTIVE"),
        ({"PoolId": "pool-1"}, "is in pool pool-1, whose two-way channel is that of its numbers"),
        ({"NumberCapabilities": ["VOICE", "MMS"]}, "has no SMS: VOICE, MMS"),
        ({"PhoneNumber": "+12125550109"}, r"is none of your numbers; see: bridge numbers --stack S$"),
    ],
)
def test_a_number_that_cannot_be_changed_is_told(change: dict[str, Any], said: str) -> None:
    eum = Eum()
    eum.number |= change
    for made in (numbers(eum).connect, numbers(eum).disconnect):
        with pytest.raises(TargetError, match=rf"\+12125550101 {said}"):
            made("+12125550101")
    assert eum.now == TwoWayChannel() and eum.tags == {}


@pytest.mark.parametrize("known_as", ["+12125550101", ARN, "phone-0123456789abcdef"])
def test_a_number_is_named_by_its_spelling_arn_or_id(known_as: str) -> None:
    assert numbers(Eum()).connect(known_as).number == "+12125550101"


@pytest.fixture
def eum(monkeypatch: pytest.MonkeyPatch) -> Eum:
    """What the commands find, whatever their options."""
    found = Eum()
    monkeypatch.setattr(Target, "choose", lambda **_: numbers(found)._target)
    return found


def test_a_change_of_a_number_is_told_with_the_command_that_undoes_it(
    eum: Eum, capsys: pytest.CaptureFixture[str]
) -> None:
    eum.number |= {"TwoWayEnabled": True, "TwoWayChannelArn": BEFORE_US.channel, "TwoWayChannelRole": None}
    told = []
    for command in ("connect", "connect", "disconnect"):
        assert run(["numbers", command, "+12125550101"]) == 0
        told.append(capsys.readouterr().out)
    connected, again, disconnected = told
    assert connected == (
        "+12125550101: its texts go elsewhere from now on\n"
        f"  two-way SMS  {STACK_CHANNEL}\n"
        f"  before       {BEFORE_US}\n"
        "  undo it      bridge numbers disconnect +12125550101 --stack S\n"
    )
    assert again == f"+12125550101: nothing to do\n  two-way SMS  {STACK_CHANNEL}\n"
    assert "  undo it      bridge numbers connect +12125550101 --stack S\n" in disconnected
    assert disconnected.endswith("two-way SMS was off for a moment in between: a text of that moment is lost\n")


def test_a_change_of_a_number_is_an_object_for_programs(eum: Eum, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for _ in range(2):
        assert run(["numbers", "connect", "+12125550101", "--json"]) == 0
        rows.append(json.loads(capsys.readouterr().out))
    off, ours = {"channel": None, "role": None}, {"channel": TOPIC, "role": ROLE}
    number = {"number": "+12125550101", "interrupted": False, "now": ours}
    assert rows == [number | {"before": off, "changed": True}, number | {"before": ours, "changed": False}]
    assert eum.now == STACK_CHANNEL
