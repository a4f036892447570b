"""bridge.toml: valid files, what the functions get of them, and the documentation of the settings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import BaseModel

from bridge.config import Config, StartChatRoute
from infra.config import BridgeConfig, Chat, Limits, Location, Number, Operation, StartChat, load
from infra.config.values import PARTITIONS
from testing.bridge_toml import ARN, FLOW, GOOD, INSTANCE

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "docs/bridge.toml"
"""bridge.toml as it is shipped; bridge.toml itself may be edited by its user."""
SECTIONS: dict[str, type[BaseModel]] = {
    "start_chat": StartChat,
    "chat": Chat,
    "limits": Limits,
    "operation": Operation,
}
NO_DEFAULT = {"instance_arn", "contact_flow_id", "alarm_email", "expect_texts_every"}


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
    """It is not an earlier version of the sample: who changes the sample must change bridge.toml too."""

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


def test_a_number_with_start_chat_delivery_has_its_instance_and_flow(tmp_path: Path) -> None:
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


def test_an_instance_without_a_number_is_kept_for_open_chats(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "name", ["agents", "StreamingTopic", "Other-StreamingTopic-aBcDeF", "SmsToConnect-StreamingTopics"]
)
def test_a_number_may_have_any_streaming_topic_but_the_stacks_own(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(f'{GOOD}streaming_topic_arn = "arn:aws:sns:us-east-1:111122223333:{name}"\n')
    assert load(path).numbers[0].streaming_topic_arn


@pytest.mark.parametrize("encoded", [GOOD.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + GOOD.encode()])
def test_files_from_windows_editors_are_read(encoded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_bytes(encoded)
    assert load(path).numbers[0].arn == ARN


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
