"""bridge.toml: what is accepted, and what is said of everything else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import boto3
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bridge.config import Config, StartChatRoute
from infra.config import BridgeConfig, Chat, ConfigError, Limits, Location, Mistake, Number, Operation, StartChat, load
from infra.places import line_numbers
from infra.values import PARTITIONS

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs/bridge.toml"
"""bridge.toml as it is shipped; that one is the user's, who may write anything there."""
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
GOOD = f'[[numbers]]\nnumber = "+12125550101"\narn = "{ARN}"\n'
SECTIONS: dict[str, type[BaseModel]] = {
    "start_chat": StartChat,
    "chat": Chat,
    "limits": Limits,
    "operation": Operation,
}
NO_DEFAULT = {"instance_arn", "contact_flow_id", "alarm_email", "expect_texts_every"}


def mistakes(path: Path, text: str | bytes) -> list[Mistake]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == len(caught.value.mistakes)
    return caught.value.mistakes


def test_the_sample_is_valid() -> None:
    config = load(SAMPLE)
    assert [number.number for number in config.numbers] == ["+12125550101", "+12125550102"]


def test_the_sample_shows_every_optional_setting_with_its_default() -> None:
    text = SAMPLE.read_text()
    shown = tomllib.loads(re.sub(r"(?m)^# (?=[a-z_]+ = )", "", text))
    for section, model in SECTIONS.items():
        assert set(shown[section]) == set(model.model_fields)
        assert model.model_validate({k: v for k, v in shown[section].items() if k not in NO_DEFAULT}) == model()
    assert set(shown) == set(BridgeConfig.model_fields)
    assert set(shown["numbers"][0]) == set(Number.model_fields)


def test_bridge_toml_is_the_sample_until_somebody_edits_it() -> None:
    """It is not one of an earlier version: whoever changes the sample changes bridge.toml too."""

    def git(*arguments: str) -> list[str]:
        if not shutil.which("git"):
            return []
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.splitlines() if done.returncode == 0 else []

    versions = {line.split()[3] for line in git("log", "--format=", "--raw", "--no-abbrev", "--", str(SAMPLE))}
    hashes = git("hash-object", "bridge.toml", str(SAMPLE))
    if not versions or not hashes:
        pytest.skip("there is no git history of docs/bridge.toml here")
    bridge_toml, sample = hashes
    if bridge_toml not in {sample, *versions}:
        pytest.skip("bridge.toml has been edited: it is its user's")
    assert bridge_toml == sample, "bridge.toml is an earlier docs/bridge.toml; copy that over it"


def test_only_numbers_are_required(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(GOOD)
    config = load(path)
    assert (config.stack, config.runtime, config.limits) == ("SmsToConnect", "python3.13", Limits())


def test_the_functions_read_what_was_configured(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(
        '[chat]\ndisconnect_keywords = [" Stop ", "ENDE"]\ndisplay_name = "SMS {customer}"\n'
        '[limits]\ngive_up_after = "90m"\nretry_first = "1500ms"\n'
        '[attributes]\nqueue = "general"\nlanguage = "en"\n'
        + GOOD
        + 'attributes = { queue = "sales" }\nstreaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:agents"\n'
    )
    compiled = load(path).runtime_json()
    assert compiled == load(path).runtime_json()
    config = Config.from_json(compiled)
    assert config.chat.disconnect_keywords == ("Stop", "ENDE")
    assert (config.limits.give_up_after, config.limits.retry_first) == (5400, 1.5)
    route = config.routes["+12125550101"]
    assert (route.arn, route.display_name) == (ARN, "SMS {customer}")
    assert route.attributes == {"queue": "sales", "language": "en"}
    assert route.streaming_topic_arn == "arn:aws:sns:us-east-1:111122223333:agents"
    assert route.start_chat is None


def test_a_number_whose_chats_the_bridge_starts_knows_where(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(
        f'delivery = "start-chat"\n[start_chat]\ninstance_arn = "{INSTANCE}"\nchat_duration = "2h"\n'
        f'{GOOD}contact_flow_id = "{FLOW}"\n'
        f'[[numbers]]\nnumber = "+12125550102"\narn = "{ARN}0"\ndelivery = "integration-event"\n'
    )
    config = load(path)
    started, sent = Config.from_json(config.runtime_json()).routes.values()
    assert started.start_chat == StartChatRoute(
        instance_id="12345678-1234-1234-1234-123456789012",
        contact_flow_id=FLOW,
        chat_minutes=120,
        first_text="message",
    )
    assert sent.start_chat is None
    assert config.contact_flows() == {INSTANCE: (f"{INSTANCE}/contact-flow/{FLOW}",)}


def test_an_instance_without_a_number_is_there_for_open_chats(tmp_path: Path) -> None:
    path, flow = tmp_path / "bridge.toml", f'contact_flow_id = "{FLOW}"\n'
    too = INSTANCE.replace("9012", "9013")

    def config(text: str) -> BridgeConfig:
        path.write_text(text)
        return load(path)

    started = config(f'{GOOD}delivery = "start-chat"\ninstance_arn = "{INSTANCE}"\n{flow}')
    assert (started.instances(), started.note()) == ((INSTANCE,), None)
    kept = config(f'[start_chat]\ninstance_arn = "{too}"\n{flow}{GOOD}instance_arn = "{INSTANCE}"\n')
    assert (kept.instances(), kept.contact_flows()) == ((INSTANCE, too), {})
    assert "take out start_chat.instance_arn, numbers[1].instance_arn when they are over" in (kept.note() or "")
    assert (config(GOOD).instances(), config(GOOD).note()) == ((), None)


def test_start_chat_delivery_without_an_instance_and_a_flow_is_a_mistake_of_that_number(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("region", ["us-gov-west-1", "us-gov-east-1"])
def test_a_bridge_in_govcloud_is_all_right(region: str, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    there = f'{GOOD}instance_arn = "{INSTANCE}"\nstreaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:a"\n'
    path.write_text(there.replace("arn:aws:", "arn:aws-us-gov:").replace("us-east-1", region))
    assert load(path).location == Location("aws-us-gov", region, "111122223333")


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_every_region_of_a_partition_that_has_what_the_bridge_needs_is_known(partition: str) -> None:
    endpoints = boto3.session.Session()
    for service in ("connect", "pinpoint-sms-voice-v2", "sns"):
        regions = endpoints.get_available_regions(service, partition)
        assert regions and all(re.fullmatch(PARTITIONS[partition], region) for region in regions)


def test_connect_is_in_no_other_partition() -> None:
    endpoints = boto3.session.Session()
    having = {one for one in endpoints.get_available_partitions() if endpoints.get_available_regions("connect", one)}
    assert having == PARTITIONS.keys()


def test_the_runtime_json_has_just_what_the_functions_know() -> None:
    raw: dict[str, Any] = json.loads(load(SAMPLE).runtime_json())
    assert set(raw) == set(Config.__dataclass_fields__)
    assert Config.from_json(json.dumps(raw)).limits.connect_rate == 14


def test_equal_settings_have_one_fingerprint_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"

    def fingerprint(text: str) -> str:
        path.write_text(text)
        return load(path).fingerprint()

    another = GOOD.replace("0101", "0102").replace("phone-1", "phone-2")
    plain = fingerprint(GOOD + another)
    same = (another + GOOD, f'# a remark\nstack = "SmsToConnect"\n{GOOD}{another}attributes = {{}}\n')
    assert {fingerprint(text) for text in same} == {plain}
    others = (
        GOOD,
        f"{GOOD}{another}attributes = {{ a = 'b' }}\n",
        f"[limits]\nmax_receive_count = 501\n{GOOD}{another}",
    )
    assert plain not in {fingerprint(text) for text in others}


BAD: dict[str, tuple[str, int | None, str, str]] = {
    # name: what stands there, line, place, a piece of what is said
    "no numbers": ('stack = "A"\n', None, "numbers", "add [[numbers]]"),
    "empty numbers": ("numbers = []\n", 1, "numbers", "add [[numbers]]"),
    "one table": ("[numbers]\n" + GOOD[12:], 1, "numbers", "double brackets"),
    "stack name": (f'stack = "1st"\n{GOOD}', 1, "stack", "beginning with a letter"),
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
def test_a_mistake_is_said_with_line_place_and_what_would_be_right(name: str, tmp_path: Path) -> None:
    text, line, place, said = BAD[name]
    (mistake,) = mistakes(tmp_path / "bridge.toml", text)
    assert (mistake.line, mistake.place) == (line, place)
    assert said in f"{mistake.problem}; {mistake.remedy}"
    assert mistake.problem and mistake.remedy


@pytest.mark.parametrize(
    "name", ["agents", "StreamingTopic", "Other-StreamingTopic-aBcDeF", "SmsToConnect-StreamingTopics"]
)
def test_a_number_that_connect_starts_chats_for_may_have_any_topic_but_our_own(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(f'{GOOD}streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:{name}"\n')
    assert load(path).numbers[0].streaming_topic_arn


def test_all_mistakes_are_said_in_one_go_in_the_order_of_the_file(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("encoded", [GOOD.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + GOOD.encode()])
def test_what_editors_on_windows_save_is_read_too(encoded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(encoded)
    assert load(path).numbers[0].arn == ARN


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


def documented() -> dict[str, str]:
    """Setting and default of each row of the table in README.md."""
    rows = re.findall(r"(?m)^\| `([a-z_.]+)` \| (.+?) \| .+ \|$", (ROOT / "README.md").read_text())
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_every_setting_is_documented() -> None:
    known = {name for name in BridgeConfig.model_fields if name not in SECTIONS and name != "numbers"}
    models: dict[str, type[BaseModel]] = {**SECTIONS, "numbers": Number}
    for section, model in models.items():
        known |= {f"{section}.{name}" for name in model.model_fields}
    assert set(documented()) == known


@pytest.mark.parametrize("setting", sorted(documented()))
def test_the_documented_default_is_the_default(setting: str) -> None:
    default = documented()[setting]
    section, _, name = setting.rpartition(".")
    models: dict[str, type[BaseModel]] = {**SECTIONS, "numbers": Number, "": BridgeConfig}
    model = models[section]
    field = model.model_fields[name]
    if field.is_required():
        assert default == "required"
    elif field.get_default(call_default_factory=True) is None:
        assert not default.startswith("`")
    elif section == "numbers" or name == "attributes":
        assert default == "`{}`" and field.get_default(call_default_factory=True) == {}
    else:
        written = tomllib.loads(f"value = {default.strip('`')}")["value"]
        checked = getattr(model.model_validate({name: written, **({} if section else {"numbers": ()})}), name)
        assert checked == field.default
