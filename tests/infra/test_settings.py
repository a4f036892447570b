"""Each setting of bridge.toml reaches its place in the template, and references lead to the right resources.

What a setting does to the functions' own configuration is in tests/unit/infra/test_settings.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import pytest
from aws_cdk import aws_logs as logs

from infra.config import BridgeConfig, load
from infra.config.schema import RETENTION_DAYS
from testing.bridge_toml import BASE, CHANGES, FLOW, INSTANCE
from tests.infra.conftest import Synthesised, build_app, refers_to

OTHER_TOML = f"""
stack = "Another"
runtime = "python3.12"
[start_chat]
instance_arn = "{INSTANCE}"
contact_flow_id = "{FLOW}"
[limits]
max_concurrency = 7
function_timeout = "40s"
max_receive_count = 777
give_up_after = "50m"
retry_longest = "9m"
blocked_retry = "11m"
[operation]
log_retention_days = 90
log_level = "DEBUG"
alarm_email = "ops@example.com"
expect_texts_every = "5h"
[[numbers]]
number = "+12125550101"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
[[numbers]]
number = "+12125550102"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-2"
delivery = "start-chat"
[[numbers]]
number = "+12125550103"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-3"
delivery = "start-chat"
instance_arn = "{INSTANCE.replace("instance/1", "instance/2")}"
contact_flow_id = "{FLOW.replace("abcdef01", "abcdef02")}"
"""
"""No setting that the template uses has its default."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[BridgeConfig, Synthesised, Path]:
    """The settings, the stack, and the folder of the cloud assembly."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "bridge.toml").write_text(OTHER_TOML)
    config = load(folder / "bridge.toml")
    build_app(config, folder / "out").synth()
    template = json.loads((folder / "out" / "Bridge.template.json").read_text())
    return config, Synthesised(template), folder / "out"


@pytest.fixture(scope="module")
def other(made: tuple[BridgeConfig, Synthesised, Path]) -> Synthesised:
    return made[1]


def _of_functions(name: str) -> Callable[[Synthesised], Any]:
    return lambda stack: {json.dumps(one[name]) for one in stack.all("Lambda::Function").values()}


def _variables(name: str) -> Callable[[Synthesised], Any]:
    return lambda stack: {one["Environment"]["Variables"][name] for one in stack.all("Lambda::Function").values()}


def _allowed(action: str, function: str) -> Callable[[Synthesised], Any]:
    return lambda stack: {what for done, what in stack.allowed(stack.role(function)) if done == action}


def _alarm(name: str, *properties: str) -> Callable[[Synthesised], Any]:
    return lambda stack: [stack.get(f"Alarm{name}")[one] for one in properties]


def _timeouts(stack: Synthesised) -> Any:
    return {name: stack.get(stack.function(name))["Timeout"] for name in ("intake", "forward", "reply_intake", "reply")}


def _visibility(stack: Synthesised) -> Any:
    return {stack.get(queue)["VisibilityTimeout"] for queue in ("ConversationsQueue", "RepliesQueue")}


def _concurrency(stack: Synthesised) -> Any:
    return {
        refers_to(one["EventSourceArn"]): one["ScalingConfig"]
        for one in stack.all("Lambda::EventSourceMapping").values()
    }


def _receives(stack: Synthesised) -> Any:
    return {
        queue: stack.get(queue)["RedrivePolicy"]["maxReceiveCount"] for queue in ("ConversationsQueue", "RepliesQueue")
    }


def _retention(stack: Synthesised) -> Any:
    return [one["RetentionInDays"] for one in stack.all("Logs::LogGroup").values()]


def _email(stack: Synthesised) -> Any:
    return [one["Endpoint"] for one in stack.all("SNS::Subscription").values() if one["Protocol"] == "email"]


def _instances(stack: Synthesised) -> Any:
    (statement,) = (
        one
        for policy in stack.all("SNS::TopicPolicy").values()
        for one in policy["PolicyDocument"]["Statement"]
        if one.get("Sid") == "ConnectStreams"
    )
    key = {one["Sid"]: one for one in stack.get("BridgeKey")["KeyPolicy"]["Statement"]}["ConnectToStreaming"]
    assert "kms:EncryptionContext:aws:sns:topicArn" in key["Condition"]["ArnLike"]
    return statement["Condition"]["ArnEquals"]["aws:SourceArn"]


TWO = [INSTANCE, INSTANCE.replace("instance/1", "instance/2")]
FLOWS = {f"{TWO[0]}/contact-flow/{FLOW}", f"{TWO[1]}/contact-flow/{FLOW.replace('abcdef01', 'abcdef02')}"}
NUMBER = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-"
PLACES: Mapping[str, list[tuple[Callable[[Synthesised], Any], Any]]] = {
    "stack": [(_variables("POWERTOOLS_METRICS_NAMESPACE"), {"Another"})],
    "runtime": [(_of_functions("Runtime"), {'"python3.12"'})],
    "numbers.delivery": [(_allowed("sms-voice:SendTextMessage", "reply"), {f"{NUMBER}{which}" for which in (1, 2, 3)})],
    "start_chat.instance_arn": [(_instances, TWO)],
    "start_chat.contact_flow_id": [(_allowed("connect:StartChatContact", "forward"), {*TWO, *FLOWS})],
    "limits.max_concurrency": [
        (
            _concurrency,
            {"ConversationsQueue": {"MaximumConcurrency": 7}, "RepliesQueue": {"MaximumConcurrency": 7}},
        )
    ],
    "limits.function_timeout": [
        (_timeouts, {"intake": 30, "forward": 40, "reply_intake": 30, "reply": 40}),
        (_visibility, {240}),
    ],
    "limits.max_receive_count": [(_receives, {"ConversationsQueue": 777, "RepliesQueue": 777})],
    "limits.give_up_after": [
        (_alarm(name, "Threshold"), [750])
        for name in ("TextsWaiting", "RepliesWaiting", "TextsNotTaken", "RepliesNotTaken")
    ],
    "limits.retry_longest": [],
    "limits.blocked_retry": [
        (_alarm(name, "Period"), [1320])
        for name in ("TextsBlocked", "RepliesBlocked", "TextsWaiting", "RepliesWaiting")
    ],
    "operation.log_retention_days": [(_retention, [90] * 4)],
    "operation.log_level": [(_variables("POWERTOOLS_LOG_LEVEL"), {"DEBUG"})],
    "operation.alarm_email": [(_email, ["ops@example.com"])],
    "operation.expect_texts_every": [(_alarm("Silence", "Period", "EvaluationPeriods"), [780, 24])],
}
"""By setting: what the template has of it. The longer of retry_longest and blocked_retry determines the periods."""


@pytest.mark.parametrize("setting", PLACES)
def test_a_setting_reaches_its_place_in_the_template(other: Synthesised, setting: str) -> None:
    for found, expected in PLACES[setting]:
        assert found(other) == expected


def test_every_setting_has_a_place_in_the_template_or_in_config_json() -> None:
    """Some have both: what the functions wait for, and when an alarm is raised."""
    nowhere = {setting for setting, (_, changed) in CHANGES.items() if not changed}
    assert nowhere <= PLACES.keys() <= CHANGES.keys()
    assert BASE["numbers"]


def test_the_longest_wait_makes_the_period_in_which_one_try_is_made(everything: Synthesised) -> None:
    """In EVERYTHING_TOML retry_longest is ten minutes, blocked_retry two."""
    for name in ("TextsWaiting", "RepliesWaiting"):
        assert everything.get(f"Alarm{name}")["Period"] == 1200


def test_the_stack_is_deployed_under_the_configured_name(made: tuple[BridgeConfig, Synthesised, Path]) -> None:
    manifest = json.loads((made[2] / "manifest.json").read_text())
    assert manifest["artifacts"]["Bridge"]["properties"]["stackName"] == "Another"


def test_the_functions_archive_holds_the_compiled_settings(made: tuple[BridgeConfig, Synthesised, Path]) -> None:
    config, stack, folder = made
    assets = json.loads((folder / "Bridge.assets.json").read_text())["files"]
    (code,) = {json.dumps(one["Code"]) for one in stack.all("Lambda::Function").values()}
    (archive,) = (one["source"] for name, one in assets.items() if f'"{name}.zip"' in code)
    assert archive["packaging"] == "zip"
    compiled = (folder / archive["path"] / "bridge" / "config.json").read_text()
    assert compiled == config.runtime_json()


# --- references --------------------------------------------------------

_TEXTS = {"CONVERSATIONS_QUEUE_URL": "ConversationsQueue", "FAILED_QUEUE_URL": "FailedQueue", "LEDGER_TABLE": "Ledger"}
_REPLIES = {"REPLIES_QUEUE_URL": "RepliesQueue", "FAILED_QUEUE_URL": "FailedQueue", "LEDGER_TABLE": "Ledger"}
VARIABLES: Mapping[str, Mapping[str, str]] = {
    "intake": _TEXTS,
    "forward": {**_TEXTS, "CHATS_TABLE": "Chats", "STREAMING_TOPIC_ARN": "StreamingTopic"},
    "reply_intake": _REPLIES,
    "reply": {**_REPLIES, "CHATS_TABLE": "Chats"},
}


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_names_its_own_resource(other: Synthesised, name: str) -> None:
    variables = other.get(other.function(name))["Environment"]["Variables"]
    own = {
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": "Another",
        "POWERTOOLS_LOG_LEVEL": "DEBUG",
    }
    assert {key: refers_to(value) for key, value in variables.items()} == {**VARIABLES[name], **own}


def test_each_output_names_its_own_resource(made: tuple[BridgeConfig, Synthesised, Path]) -> None:
    config, stack, _ = made
    outputs = stack.template["Outputs"]
    assert {name: refers_to(output["Value"]) for name, output in outputs.items()} == {
        "InboundTopicArn": "InboundTopic",
        "TwoWayChannelRoleArn": "TwoWayChannelRole",
        "ConversationsQueueUrl": "ConversationsQueue",
        "FailedQueueUrl": "FailedQueue",
        "UndeliveredQueueUrl": "UndeliveredQueue",
        "LedgerTableName": "Ledger",
        "IntakeFunctionName": stack.function("intake"),
        "ForwardFunctionName": stack.function("forward"),
        "AlarmTopicArn": "AlarmTopic",
        "ConfigFingerprint": config.fingerprint(),
        "StreamingTopicArn": "StreamingTopic",
        "RepliesQueueUrl": "RepliesQueue",
        "ChatsTableName": "Chats",
        "ReplyIntakeFunctionName": stack.function("reply_intake"),
        "ReplyFunctionName": stack.function("reply"),
    }


def test_each_function_has_its_own_role_log_group_and_source(other: Synthesised) -> None:
    """Sources, roles and log groups of the two pipelines are not mixed up."""
    functions = ("intake", "forward", "reply_intake", "reply")
    of = {name: other.get(other.function(name)) for name in functions}
    assert len({refers_to(one["Role"]) for one in of.values()}) == 4
    assert len({refers_to(one["LoggingConfig"]["LogGroup"]) for one in of.values()}) == 4
    subscriptions = other.all("SNS::Subscription").values()
    assert {
        refers_to(one["TopicArn"]): refers_to(one["Endpoint"]) for one in subscriptions if one["Protocol"] == "lambda"
    } == {
        "InboundTopic": other.function("intake"),
        "StreamingTopic": other.function("reply_intake"),
    }
    mappings = other.all("Lambda::EventSourceMapping").values()
    assert {refers_to(one["EventSourceArn"]): refers_to(one["FunctionName"]) for one in mappings} == {
        "ConversationsQueue": other.function("forward"),
        "RepliesQueue": other.function("reply"),
    }
    permissions = other.all("Lambda::Permission").values()
    assert {(refers_to(one["FunctionName"]), refers_to(one["SourceArn"])) for one in permissions} == {
        (other.function("intake"), "InboundTopic"),
        (other.function("reply_intake"), "StreamingTopic"),
    }
    for name in functions:
        written = {what for action, what in other.allowed(other.role(name)) if action == "logs:PutLogEvents"}
        assert written == {refers_to(of[name]["LoggingConfig"]["LogGroup"])}


def test_logs_may_be_kept_for_the_days_that_cloudwatch_knows_and_no_others() -> None:
    known = [one for one in logs.RetentionDays if one is not logs.RetentionDays.INFINITE]
    stack = cdk.Stack()
    groups = [logs.LogGroup(stack, one.name, retention=one).node.default_child for one in known]
    assert [cast(logs.CfnLogGroup, group).retention_in_days for group in groups] == sorted(RETENTION_DAYS)
