"""The numbers in the remedies of mistakes in bridge.toml: the setting is accepted with them, and not beyond."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.processing.retry import max_receives
from infra.checks import findings
from infra.config import ConfigError, Limits, load
from testing.builders import BUSINESS_NUMBER

ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"


NUMBERS = f'[[numbers]]\nnumber = "{BUSINESS_NUMBER}"\narn = "{ARN}"\n'


def mistakes(folder: Path, settings: str) -> list[Any]:
    path = folder / "bridge.toml"
    path.write_text(settings)
    try:
        load(path)
    except ConfigError as error:
        return error.mistakes
    return []


def the_number_in(remedy: str, pattern: str) -> float:
    found = re.search(pattern, remedy)
    assert found, remedy
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize(
    "waits",
    [
        "",
        'retry_first = "1s"\nretry_longest = "10s"\ngive_up_after = "20m"\n',
        'blocked_retry = "30s"\ngive_up_after = "2h"\n',
        'retry_longest = "1h"\nblocked_retry = "1h"\ngive_up_after = "1d"\n',
    ],
)
def test_the_max_receive_count_of_a_remedy_is_accepted_and_one_less_is_not(waits: str, tmp_path: Path) -> None:
    def told(count: int) -> list[Any]:
        return mistakes(tmp_path, f"[limits]\nmax_receive_count = {count}\n{waits}{NUMBERS}")

    (mistake,) = told(1)
    needed = int(the_number_in(mistake.remedy, r"of ([0-9]+) or more"))
    assert told(needed) == []
    assert [one.remedy for one in told(needed - 1)] == [mistake.remedy]


def test_where_no_max_receive_count_would_do_longer_waits_are_named(tmp_path: Path) -> None:
    waits = 'retry_first = "1s"\nretry_longest = "1s"\nblocked_retry = "1s"\n'
    (mistake,) = mistakes(tmp_path, f'[limits]\nmax_receive_count = 1000\n{waits}give_up_after = "1d"\n{NUMBERS}')
    assert mistake.remedy.startswith("longer waits")
    longest = next(
        seconds
        for seconds in range(86_400, 0, -1)
        if 2 * max_receives(retry_first=1, retry_longest=1, blocked_retry=1, give_up_after=seconds) + 1 <= 1000
    )
    for seconds, count in ((longest, 0), (longest + 1, 1)):
        text = f'[limits]\nmax_receive_count = 1000\n{waits}give_up_after = "{seconds}s"\n{NUMBERS}'
        assert len(mistakes(tmp_path, text)) == count


@pytest.mark.parametrize("call_timeout", [1.0, 5.0])
def test_the_margin_that_a_remedy_names_is_what_must_be_exceeded(call_timeout: float, tmp_path: Path) -> None:
    def told(deadline: float) -> list[Any]:
        times = f'call_timeout = "{call_timeout}s"\nbatch_deadline = "{deadline:.3f}s"\nfunction_timeout = "30s"\n'
        return mistakes(tmp_path, f"[limits]\n{times}{NUMBERS}")

    (mistake,) = told(29)
    margin = the_number_in(mistake.remedy, r"more than ([0-9.]+) s")
    assert len(told(30 - margin)) == 1
    assert told(30 - margin - 0.001) == []


BOUNDS = {
    **{
        f"limits.{name}": (low, high)
        for name, low, high in (
            ("mark_late_after", "0s", "14d"),
            ("give_up_after", "1s", "1d"),
            ("call_timeout", "500ms", "1m"),
            ("batch_deadline", "1s", "15m"),
            ("function_timeout", "1s", "15m"),
            ("retry_first", "1s", "12h"),
            ("retry_longest", "1s", "12h"),
            ("blocked_retry", "1s", "12h"),
        )
    },
    "operation.expect_texts_every": ("10m", "7d"),
    "start_chat.chat_duration": ("1h", "7d"),
}


SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def own(found: list[Any], setting: str) -> list[Any]:
    """What is said of the setting itself, and not of how it goes with others."""
    return [one for one in found if one.place == setting and "is not possible" in one.problem]


@pytest.mark.parametrize("setting", BOUNDS)
def test_both_ends_of_the_range_of_a_remedy_are_accepted_and_nothing_beyond(setting: str, tmp_path: Path) -> None:
    section, name = setting.split(".")

    def told(duration: str) -> list[Any]:
        return own(mistakes(tmp_path, f'[{section}]\n{name} = "{duration}"\n{NUMBERS}'), setting)

    (mistake,) = told("100d")
    low, high = re.findall(r'"([^"]+)"', mistake.remedy)
    assert (low, high) == BOUNDS[setting]
    assert told(low) == told(high) == []
    for end, by in ((low, -1), (high, 1)):
        found = re.fullmatch(r"([0-9.]+)([a-z]+)", end)
        assert found
        beyond = float(found[1]) * SECONDS[found[2]] + by * (0.001 if by < 0 else 1)
        if beyond >= 0:
            assert len(told(f"{beyond:.3f}s")) == 1, beyond


@pytest.mark.parametrize(
    ("setting", "low", "high"),
    [
        ("limits.max_concurrency", 2, 1000),
        ("limits.part_length", 64, 1024),
        ("limits.max_receive_count", 1, 1000),
    ],
)
def test_whole_numbers_are_accepted_from_the_least_to_the_most_of_a_remedy(
    setting: str, low: int, high: int, tmp_path: Path
) -> None:
    section, name = setting.split(".")

    def told(number: int) -> list[Any]:
        return own(mistakes(tmp_path, f"[{section}]\n{name} = {number}\n{NUMBERS}"), setting)

    assert told(low) == told(high) == []
    for number in (low - 1, high + 1):
        assert [one.remedy for one in told(number)] == [f"a whole number from {low} to {high}"]


@pytest.mark.parametrize(
    ("setting", "line", "most"),
    [
        ("chat.display_name", "[chat]\ndisplay_name = {value}\n", 256),
        ("chat.disconnect_keywords[1]", "[chat]\ndisconnect_keywords = [{value}]\n", 160),
        ("chat.empty_message", "[chat]\nempty_message = {value}\n", 200),
        ("chat.late_message", "[chat]\nlate_message = {value}\n", 200),
    ],
)
def test_texts_may_be_as_long_as_a_remedy_says(setting: str, line: str, most: int, tmp_path: Path) -> None:
    def told(length: int) -> list[Any]:
        return mistakes(tmp_path, line.format(value=json.dumps("x" * length)) + NUMBERS)

    assert told(most) == told(1) == []
    assert [(one.place, one.remedy) for one in told(most + 1)] == [(setting, f"at most {most}")]
    assert [(one.place, one.remedy) for one in told(0)] == [(setting, f"1 to {most} characters")]


@pytest.mark.parametrize("name", ["empty_message", "late_message"])
def test_a_line_may_take_half_of_a_part_as_a_remedy_says(name: str, tmp_path: Path) -> None:
    def told(length: int) -> list[Any]:
        return mistakes(tmp_path, f'[chat]\n{name} = "{"x" * length}"\n[limits]\npart_length = 200\n{NUMBERS}')

    (mistake,) = told(150)
    most = int(the_number_in(mistake.remedy, r"\(([0-9]+)\)"))
    assert most == 100
    assert told(most) == []
    assert len(told(most + 1)) == 1


def test_attributes_may_take_as_much_room_as_a_remedy_says(tmp_path: Path) -> None:
    def told(bytes_: int) -> list[Any]:
        return mistakes(tmp_path, f'[attributes]\nname = "{"x" * (bytes_ - 4)}"\n{NUMBERS}')

    (mistake,) = told(32_000)
    most = int(the_number_in(mistake.remedy, r"at most ([0-9,]+)"))
    assert (most, told(most)) == (28_000, [])
    assert len(told(most + 1)) == 1


@pytest.mark.parametrize(("length", "count"), [(256, 0), (257, 1)])
def test_a_topic_may_have_the_longest_name_that_sns_takes(length: int, count: int, tmp_path: Path) -> None:
    """An ARN of it is shorter than the 350 characters that Connect takes."""
    arn = f"arn:aws:sns:us-east-1:111122223333:{'t' * length}"
    found = mistakes(tmp_path, f'{NUMBERS}streaming_topic_arn = "{arn}"\n')
    assert len([one for one in found if one.place == "numbers[1].streaming_topic_arn"]) == count


@pytest.mark.parametrize(("receives", "visibility", "rules"), [(500, 180, []), (500, 179, ["Visibility"])])
def test_the_checks_at_synth_draw_the_same_lines(receives: int, visibility: int, rules: list[str]) -> None:
    assert [one.rule for one in findings(template(receives, visibility), limits=Limits())] == rules


def test_the_checks_at_synth_accept_the_least_receives_of_the_settings(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, f"[limits]\nmax_receive_count = 1\n{NUMBERS}")
    needed = int(the_number_in(mistake.remedy, r"of ([0-9]+) or more"))
    assert [one.rule for one in findings(template(needed, 180), limits=Limits())] == []
    assert [one.rule for one in findings(template(needed - 1, 180), limits=Limits())] == ["Receives"]


def template(receives: int, visibility: int) -> Mapping[str, Any]:
    queue = {"RedrivePolicy": {"maxReceiveCount": receives}, "VisibilityTimeout": visibility}
    mapping = {"EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}, "FunctionName": {"Ref": "F"}}
    return {
        "Resources": {
            "Q": {"Type": "AWS::SQS::Queue", "Properties": queue},
            "F": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 30}},
            "M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping},
        }
    }
