"""Mistakes in bridge.toml: each has its line, its place, the problem and a remedy."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from infra.config import BridgeConfig, Chat, ConfigError, Limits, Mistake, load
from infra.config.toml import line_numbers
from testing.bridge_toml import ARN, FLOW, GOOD, INSTANCE


def mistakes(path: Path, text: str | bytes) -> list[Mistake]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == len(caught.value.mistakes)
    return caught.value.mistakes


BAD: dict[str, tuple[str, int | None, str, str]] = {
    # name: what stands there, line, place, a piece of what is said
    "no numbers": ('stack = "A"\n', None, "numbers", "add [[numbers]]"),
    "empty numbers": ("numbers = []\n", 1, "numbers", "add [[numbers]]"),
    "one table": ("[numbers]\n" + GOOD[12:], 1, "numbers", "double brackets"),
    "stack name": (f'stack = "1st"\n{GOOD}', 1, "stack", "beginning with a letter"),
    "a date": (f"stack = 2026-11-22\n{GOOD}", 1, "stack", '"2026-11-22" is not text'),
    "old runtime": (f'runtime = "python3.8"\n{GOOD}', 1, "runtime", "python3.13"),
    "unknown setting": (f'\nruntimes = "python3.13"\n{GOOD}', 2, "runtimes", "did you mean runtime?"),
    "misplaced": (f"part_length = 100\n{GOOD}", 1, "part_length", "belongs under [limits]"),
    "misplaced number": (f'streaming_topic_arn = "x"\n{GOOD}', 1, "streaming_topic_arn", "[[numbers]]"),
    "nothing like it": (f"[chat]\nzzzz = 1\n{GOOD}", 2, "chat.zzzz", "known here: display_name"),
    "unknown in a number": (GOOD + 'flow = "x"\n', 4, "numbers[1].flow", "known here: number, arn"),
    "unknown section": (f"[limit]\n{GOOD}", 1, "limit", "did you mean limits?"),
    "not a section": (f"limits = 3\n{GOOD}", 1, "limits", "write [limits]"),
    "long name": (f'[chat]\ndisplay_name = "{"x" * 257}"\n{GOOD}', 2, "chat.display_name", "at most 256"),
    "empty name": (GOOD + 'display_name = ""\n', 4, "numbers[1].display_name", "1 to 256"),
    "placeholder": (f'[chat]\ndisplay_name = "{{name}}"\n{GOOD}', 2, "chat.display_name", "{customer}"),
    "half a placeholder": (f'[chat]\nlate_message = "{{sent"\n{GOOD}', 2, "chat.late_message", "{sent} is the"),
    "empty message": (f'[chat]\nempty_message = " "\n{GOOD}', 2, "chat.empty_message", "is empty"),
    "keyword type": (f"[chat]\ndisconnect_keywords = [1]\n{GOOD}", 2, "chat.disconnect_keywords[1]", '"1"'),
    "no list": (f'[chat]\ndisconnect_keywords = "A"\n{GOOD}', 2, "chat.disconnect_keywords", '["A"]'),
    "keyword twice": (
        f'[chat]\ndisconnect_keywords = ["STOP", "stop"]\n{GOOD}',
        *(2, "chat.disconnect_keywords[2]", "same keyword as chat.disconnect_keywords[1]"),
    ),
    "flag": (f'[chat]\nshow_disconnect_keyword = "yes"\n{GOOD}', 2, "chat.show_disconnect_keyword", "true or"),
    "body attribute": (f'[chat]\nbody_attribute = "a b"\n{GOOD}', 2, "chat.body_attribute", "letters, digits"),
    "content types": (
        f'[chat]\nsupported_content_types = ["text/markdown"]\n{GOOD}',
        *(2, "chat.supported_content_types", 'add "text/plain"'),
    ),
    "content type": (
        f'[chat]\nsupported_content_types = ["text/plain", "text"]\n{GOOD}',
        *(2, "chat.supported_content_types[2]", "content type"),
    ),
    "bare duration": (f"[limits]\ngive_up_after = 6\n{GOOD}", 2, "limits.give_up_after", '"6s", "6m" or "6h"'),
    "duration in words": (f'[limits]\ngive_up_after = "6 hours"\n{GOOD}', 2, "limits.give_up_after", "unit"),
    "long duration": (f'[limits]\nblocked_retry = "13h"\n{GOOD}', 2, "limits.blocked_retry", 'to "12h"'),
    "longer than kept": (f'[limits]\ngive_up_after = "15d"\n{GOOD}', 2, "limits.give_up_after", 'to "1d"'),
    "timeout": (f'[limits]\nfunction_timeout = "16m"\n{GOOD}', 2, "limits.function_timeout", 'to "15m"'),
    "half seconds": (f'[limits]\nfunction_timeout = "20.5s"\n{GOOD}', 2, "limits.function_timeout", "whole"),
    "deadline": (f'[limits]\nbatch_deadline = "24s"\n{GOOD}', 2, "limits.batch_deadline", "more than 7.5 s"),
    "call timeout": (f'[limits]\ncall_timeout = "18s"\n{GOOD}', 2, "limits.call_timeout", "more than 20.5 s"),
    "call timeout without unit": (
        f'[limits]\ncall_timeout = "5"\nbatch_deadline = "24s"\n{GOOD}',
        *(2, "limits.call_timeout", "a number with its unit"),
    ),
    "timeout under deadline": (
        f'[limits]\nfunction_timeout = "16s"\n{GOOD}',
        *(2, "limits.function_timeout", "more than 7.5 s"),
    ),
    "waits": (f'[limits]\nretry_first = "10m"\n{GOOD}', 2, "limits.retry_first", "shorter than retry_first"),
    "receives": (f"[limits]\nmax_receive_count = 100\n{GOOD}", 2, "limits.max_receive_count", "453 or more"),
    "give-up and receives": (f'[limits]\ngive_up_after = "1d"\n{GOOD}', 2, "limits.give_up_after", "sooner"),
    "delivery": (f'delivery = "email"\n{GOOD}', 1, "delivery", '"start-chat"'),
    "instance": (f'[start_chat]\ninstance_arn = "{FLOW}"\n{GOOD}', 2, "start_chat.instance_arn", "instance/..."),
    "flow": (f'[start_chat]\ncontact_flow_id = "Inbound"\n{GOOD}', 2, "start_chat.contact_flow_id", "8-4-4-4-12"),
    "chat duration": (f'[start_chat]\nchat_duration = "30m"\n{GOOD}', 2, "start_chat.chat_duration", '"1h" to "7d"'),
    "rate": (f"[limits]\nconnect_rate = 0\n{GOOD}", 2, "limits.connect_rate", "more than 0"),
    "infinite rate": (f"[limits]\nconnect_rate = inf\n{GOOD}", 2, "limits.connect_rate", "more than 0"),
    "concurrency": (f"[limits]\nmax_concurrency = 1\n{GOOD}", 2, "limits.max_concurrency", "from 2 to 1000"),
    "concurrency type": (f"[limits]\nmax_concurrency = true\n{GOOD}", 2, "limits.max_concurrency", "whole"),
    "part": (f"[limits]\npart_length = 20\n{GOOD}", 2, "limits.part_length", "from 64 to 1024"),
    "late line": (
        f'[chat]\nlate_message = "{"x" * 30} {{sent}}"\n[limits]\npart_length = 64\n{GOOD}',
        *(2, "chat.late_message", "at most half"),
    ),
    "retention": (f"[operation]\nlog_retention_days = 31\n{GOOD}", 2, "operation.log_retention_days", "30,"),
    "level": (f'[operation]\nlog_level = "info"\n{GOOD}', 2, "operation.log_level", '"INFO"'),
    "e-mail": (f'[operation]\nalarm_email = "the team"\n{GOOD}', 2, "operation.alarm_email", "ops@example.com"),
    "two e-mails": (
        f'[operation]\nalarm_email = "a@example.com b@example.com"\n{GOOD}',
        *(2, "operation.alarm_email", "one address"),
    ),
    "silence": (
        f'[operation]\nexpect_texts_every = "1m"\n{GOOD}',
        *(2, "operation.expect_texts_every", 'from "10m" to "7d"'),
    ),
    "number": (GOOD.replace("+1", "1"), 2, "numbers[1].number", "+12125550101"),
    "number as number": (GOOD.replace('"+12125550101"', "12125550101"), 2, "numbers[1].number", "quotes"),
    "other digits": (GOOD.replace("0101", "٠١٠١"), 2, "numbers[1].number", "E.164"),
    "number missing": (f'[[numbers]]\narn = "{ARN}"\n', 1, "numbers[1].number", 'number = "+1'),
    "arn missing": ('[[numbers]]\nnumber = "+12125550101"\n', 1, "numbers[1].arn", 'arn = "arn:aws:'),
    "pool": (GOOD.replace("phone-number/phone-1", "pool/pool-1"), 3, "numbers[1].arn", "ARN of a pool"),
    "sender id": (GOOD.replace("phone-number/phone-1", "sender-id/A/US"), 3, "numbers[1].arn", "sender id"),
    "connect's": (GOOD.replace("sms-voice", "connect"), 3, "numbers[1].arn", "Amazon Connect's ARN"),
    "arn": (GOOD.replace(ARN, "phone-1"), 3, "numbers[1].arn", "as End User Messaging shows it"),
    "number twice": (
        GOOD + GOOD.replace("phone-1", "phone-2"),
        *(5, "numbers[2].number", "same as numbers[1].number"),
    ),
    "arn twice": (GOOD + GOOD.replace("0101", "0102"), 6, "numbers[2].arn", "same as numbers[1].arn"),
    "odd Region": (
        GOOD
        + GOOD.replace("0101", "0102").replace("us-east-1", "eu-west-1")
        + GOOD.replace("0101", "0103").replace("phone-1", "phone-3"),
        *(6, "numbers[2].arn", "is in eu-west-1, other numbers in us-east-1"),
    ),
    "flow without instance": (
        f'[start_chat]\ncontact_flow_id = "{FLOW}"\n{GOOD}',
        *(2, "start_chat.contact_flow_id", "replies of open chats reach no phone; name instance_arn until"),
    ),
    "number's flow without instance": (
        f'{GOOD}contact_flow_id = "{FLOW}"\n',
        *(4, "numbers[1].contact_flow_id", "replies of open chats reach no phone; name instance_arn until"),
    ),
    "topic": (GOOD + 'streaming_topic_arn = "x"\n', 4, "numbers[1].streaming_topic_arn", "arn:aws:sns:"),
    "topic fifo": (
        GOOD + 'streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:a.fifo"\n',
        *(4, "numbers[1].streaming_topic_arn", "standard topic"),
    ),
    "topic's Region": (
        GOOD + 'streaming_topic_arn = "arn:aws:sns:eu-west-1:111122223333:a"\n',
        *(4, "numbers[1].streaming_topic_arn", "is in eu-west-1, its number in us-east-1"),
    ),
    "odd account": (
        GOOD + GOOD.replace("0101", "0102").replace("111122223333", "444455556666"),
        *(6, "numbers[2].arn", "is in account 444455556666, other numbers in account 111122223333; one bridge"),
    ),
    "odd account and Region": (
        GOOD + GOOD.replace("0101", "0102").replace("us-east-1:111122223333", "eu-west-1:444455556666"),
        *(6, "numbers[2].arn", "is in eu-west-1 and account 444455556666, other numbers in us-east-1 and account 1111"),
    ),
    "odd partition": (
        GOOD + GOOD.replace("0101", "0102").replace("aws:sms-voice:us-east-1", "aws-us-gov:sms-voice:us-gov-west-1"),
        *(6, "numbers[2].arn", "is in partition aws-us-gov, other numbers in partition aws; one bridge"),
    ),
    "topic's account": (
        GOOD + 'streaming_topic_arn = "arn:aws:sns:us-east-1:444455556666:a"\n',
        *(4, "numbers[1].streaming_topic_arn", "account 444455556666, its number in account 111122223333; a topic in"),
    ),
    "topic's partition": (
        GOOD + 'streaming_topic_arn = "arn:aws-us-gov:sns:us-gov-west-1:111122223333:a"\n',
        *(4, "numbers[1].streaming_topic_arn", "is in partition aws-us-gov, its number in partition aws"),
    ),
    "instance's account": (
        f'[start_chat]\ninstance_arn = "{INSTANCE.replace("1111", "4444")}"\n{GOOD}',
        *(2, "start_chat.instance_arn", "is in account 444422223333, the numbers in account 111122223333; an instance"),
    ),
    "number's instance's account": (
        f'{GOOD}instance_arn = "{INSTANCE.replace("1111", "4444")}"\n',
        *(4, "numbers[1].instance_arn", "is in account 444422223333, its number in account 111122223333"),
    ),
    "a partition without Connect": (
        GOOD.replace("aws:sms-voice:us-east-1", "aws-cn:sms-voice:cn-north-1"),
        *(3, "numbers[1].arn", "is in partition aws-cn; a bridge can be deployed to aws and aws-us-gov"),
    ),
    "an instance's partition": (
        f'[start_chat]\ninstance_arn = "{INSTANCE.replace("aws:connect:us", "aws-iso:connect:us-iso")}"\n{GOOD}',
        *(2, "start_chat.instance_arn", "is in partition aws-iso; a bridge can be deployed to aws and aws-us-gov"),
    ),
    "a topic's partition": (
        GOOD + 'streaming_topic_arn = "arn:aws-eusc:sns:eusc-de-east-1:111122223333:a"\n',
        *(4, "numbers[1].streaming_topic_arn", "is in partition aws-eusc; a bridge can be deployed to aws"),
    ),
    "a Region of another partition": (
        GOOD.replace("us-east-1", "us-gov-west-1"),
        *(3, "numbers[1].arn", "has a Region that partition aws does not have"),
    ),
    "topic of our own": (
        GOOD + 'streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:SmsToConnect-StreamingTopic-aBcDeF123456"\n',
        *(4, "numbers[1].streaming_topic_arn", "stack's own topic"),
    ),
    "topic of our own by another name": (
        f'stack = "Texts"\n{GOOD}'
        'streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:Texts-StreamingTopic-aBcDeF123456"\n',
        *(5, "numbers[1].streaming_topic_arn", "leave it out, or a topic of your own"),
    ),
    "topic without effect": (
        f'delivery = "start-chat"\n[start_chat]\ninstance_arn = "{INSTANCE}"\ncontact_flow_id = "{FLOW}"\n'
        f'{GOOD}streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:agents"\n',
        *(8, "numbers[1].streaming_topic_arn", "has no effect with start-chat delivery"),
    ),
    "attribute name": (f'[attributes]\n"a b" = "c"\n{GOOD}', 2, "attributes.a b", "letters, digits, - and _"),
    "attribute type": (GOOD + "attributes = { n = 5 }\n", 4, "numbers[1].attributes.n", '"5"'),
    "attributes, not a table": (GOOD + 'attributes = "x"\n', 4, "numbers[1].attributes", "not a table"),
    "attributes too big": (f'[attributes]\na = "{"x" * 28_000}"\n{GOOD}', 1, "attributes", "at most 28,000"),
    "attributes too big together": (
        f'[attributes]\na = "{"ü" * 10_000}"\n{GOOD}[numbers.attributes]\nb = "{"ü" * 10_000}"\n',
        *(6, "numbers[1].attributes", "40,002 bytes"),
    ),
    "attribute is the body's": (
        f'[chat]\nbody_attribute = "text"\n[attributes]\ntext = "x"\n{GOOD}',
        *(4, "attributes.text", "chat.body_attribute"),
    ),
    "no quotes": ("stack = Bridge\n" + GOOD, 1, "", 'in double quotes: stack = "Bridge"'),
    "no value": (GOOD + "\n\ndisplay_name\n", 6, "", "name = value"),
    "the same twice": (GOOD + 'number = "+12125550102"\n', 4, "", "TOML"),
    "unclosed": (GOOD + 'display_name = """abc\n', 5, "", "TOML"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_mistake_has_its_line_place_and_remedy(name: str, tmp_path: Path) -> None:
    text, line, place, said = BAD[name]
    (mistake,) = mistakes(tmp_path / "bridge.toml", text)
    assert (mistake.line, mistake.place) == (line, place)
    assert said in f"{mistake.problem}; {mistake.remedy}"
    assert mistake.problem and mistake.remedy


def test_start_chat_delivery_needs_an_instance_and_a_contact_flow(tmp_path: Path) -> None:
    found = mistakes(tmp_path / "bridge.toml", f'{GOOD}delivery = "start-chat"\n')
    assert [(mistake.line, mistake.place) for mistake in found] == [(1, "numbers[1]"), (1, "numbers[1]")]
    assert "instance_arn" in found[0].problem + found[1].problem
    assert "contact_flow_id" in found[0].problem + found[1].problem


def test_an_instance_in_another_region_is_a_mistake(tmp_path: Path) -> None:
    elsewhere = INSTANCE.replace("us-east-1", "eu-west-2")
    (mistake,) = mistakes(tmp_path / "bridge.toml", f'[start_chat]\ninstance_arn = "{elsewhere}"\n{GOOD}')
    assert (mistake.line, mistake.place) == (2, "start_chat.instance_arn")
    assert mistake.problem == "is in eu-west-2, the numbers in us-east-1"


def test_a_number_elsewhere_with_all_that_is_its_own_is_one_mistake(tmp_path: Path) -> None:
    its = f'{GOOD}instance_arn = "{INSTANCE}"\nstreaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:a"\n'
    there = its.replace("0101", "0102").replace("us-east-1:1111", "eu-west-1:4444")
    (mistake,) = mistakes(tmp_path / "bridge.toml", its + there)
    assert mistake.place == "numbers[2].arn"


def test_all_mistakes_are_reported_at_once_in_file_order(tmp_path: Path) -> None:
    text = (
        '[chat]\nempty_message = ""\ndisplay_names = "x"\n[limits]\nretry_longest = "1s"\nconnect_rate = -1\n'
        + GOOD
        + GOOD.replace("arn:aws:sms", "arn:sms")
        + '[[numbers]]\narn = "?"\n'
    )
    found = mistakes(tmp_path / "bridge.toml", text)
    assert [(mistake.line, mistake.place) for mistake in found] == [
        (2, "chat.empty_message"),
        (3, "chat.display_names"),
        (5, "limits.retry_longest"),
        (6, "limits.connect_rate"),
        (11, "numbers[2].number"),
        (12, "numbers[2].arn"),
        (13, "numbers[3].number"),
        (14, "numbers[3].arn"),
    ]


def test_a_mistake_reads_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(GOOD.replace("+1", ""))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == (
        f'{path}:2: numbers[1].number: "2125550101" is not a phone number in E.164 form; '
        "+, country code, number: +12125550101"
    )


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: there is no such file; ")


def test_a_file_that_is_not_text_is_one_clear_line(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path / "bridge.toml", GOOD.encode() + b"\xff\n")
    assert (mistake.line, mistake.problem) == (4, "is not UTF-8 text")


def test_lines_are_found_in_every_way_to_write_a_key() -> None:
    text = 'a.b = 1\n"c d" = [\n  2,\n  { e = 3 },\n]\n[[f]]\n[f.g]\nh = """\n[x]\n"""\n[[f]]\ni = 4 # [y]\n'
    assert line_numbers(text) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("c d",): 2,
        ("c d", 0): 2,
        ("c d", 1): 2,
        ("c d", 1, "e"): 2,
        ("f",): 6,
        ("f", 0): 6,
        ("f", 0, "g"): 7,
        ("f", 0, "g", "h"): 8,
        ("f", 1): 11,
        ("f", 1, "i"): 12,
    }


words = st.text('ab{}5sm:+ \n"é😀', max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
settings = st.sampled_from([*BridgeConfig.model_fields, *Chat.model_fields, *Limits.model_fields])


@given(st.dictionaries(settings, values | st.dictionaries(settings, values, max_size=4), max_size=5))
def test_nothing_that_toml_can_hold_makes_it_crash(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bridge.toml"
        path.write_text(tomlkit.dumps(_without_none(document)), encoding="utf-8")
        try:
            load(path)
        except ConfigError as error:
            assert error.mistakes


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_none(inner) for inner in value if inner is not None]
    return value
