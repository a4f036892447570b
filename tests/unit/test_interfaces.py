"""What others read of the bridge, frozen: log lines, metrics, the items of both tables, the failed queue's attributes,
requests to other services, and of the command its options, its --json objects and its exit codes.

It is looked at from outside, by whole runs of handlers and commands, so that code may move without a change here. A
change of a snapshot is a change of an interface: `pytest tests/unit/test_interfaces.py --snapshot-update` takes it, and
CHANGELOG.md says it. Variables and outputs of the stack are in tests/infra/test_settings.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from bridge.metrics import METRICS_BY_FUNCTION
from ops.cli import app
from testing.account import NUMBER, OUTPUTS, Account
from testing.builders import ARN, BUSINESS_NUMBER, CUSTOMER
from testing.chat_events import item
from testing.scenarios import SCENARIOS, batch, by_chat, open_chat, reply_record, text


def kind(value: Any) -> Any:
    """What a program that reads JSON has to expect."""
    if isinstance(value, dict):
        return {name: kind(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [json.loads(one) for one in sorted({json.dumps(kind(inner)) for inner in value})]
    names = {str: "text", bool: "true or false", int: "number", float: "number", type(None): "null"}
    return names[type(value)]


def merged(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of several objects every name, with each kind of value that it has, and whether it is always there."""
    found = list(objects)
    names = sorted({name for one in found for name in one})
    return {
        name: {
            "kinds": [json.loads(one) for one in sorted({json.dumps(kind(o[name])) for o in found if name in o})],
            "always": all(name in one for one in found),
        }
        for name in names
    }


def typed(table: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """DynamoDB's types of an item's attributes, by what its key begins with."""
    return {
        re.split(r"[-:]", key)[0]: {name: next(iter(value)) for name, value in sorted(item.items())}
        for key, item in table.items()
    }


@pytest.fixture
def played(account: Account) -> dict[str, dict[str, Any]]:
    """By scenario: what it left behind."""
    found: dict[str, dict[str, Any]] = {}
    for name, run in SCENARIOS.items():
        _clean(account)
        run(account)
        failed = [message.attributes for message in account.queues["failed"].messages()]
        found[name] = {
            "lines": account.lines(),
            "metrics": account.metrics(),
            "ledger": typed(account.tables["Ledger"].items),
            "outcomes": sorted(
                {one.get("outcome", {"S": "none"})["S"] for one in account.tables["Ledger"].items.values()}
            ),
            "chats": typed(account.tables["Chats"].items),
            "failed": [{key: value["DataType"] for key, value in sorted(one.items())} for one in failed],
        }
    return found


def _clean(account: Account) -> None:
    account.planned.clear()
    account.always.clear()
    account.requests.clear()
    for table in account.tables.values():
        table.items.clear()
    for stream in (account.log, account.printed):
        stream.truncate(0)
        stream.seek(0)
    account.__post_init__()


def test_what_the_functions_leave_behind_stays(
    played: Mapping[str, Mapping[str, Any]], snapshot: SnapshotAssertion
) -> None:
    frozen = snapshot(extension_class=JSONSnapshotExtension)
    everything = [one for left in played.values() for one in left["lines"]]
    messages = sorted({line["message"] for line in everything})
    lines = {
        message: {
            "levels": sorted({line["level"] for line in everything if line["message"] == message}),
            "fields": merged(line for line in everything if line["message"] == message),
        }
        for message in messages
    }
    units: dict[str, set[str]] = {}
    dimensions = set()
    for left in played.values():
        for blob in left["metrics"]:
            for directive in blob["_aws"]["CloudWatchMetrics"]:
                dimensions.add(json.dumps([directive["Namespace"], directive["Dimensions"]]))
                for metric in directive["Metrics"]:
                    units.setdefault(metric["Name"], set()).add(metric["Unit"])
    assert frozen == {
        "log lines": lines,
        "metrics": {name: sorted(unit) for name, unit in sorted(units.items())},
        "namespace and dimensions": [json.loads(one) for one in sorted(dimensions)],
        "metrics by function": {name: sorted(names) for name, names in sorted(METRICS_BY_FUNCTION.items())},
        "items of the ledger": {name: left["ledger"] for name, left in played.items() if left["ledger"]},
        "outcomes in the ledger": {name: left["outcomes"] for name, left in played.items() if left["outcomes"]},
        "items of the open chats": {name: left["chats"] for name, left in played.items() if left["chats"]},
        "attributes in failed": {name: left["failed"] for name, left in played.items() if left["failed"]},
    }


def test_every_metric_that_is_written_is_one_that_is_listed(played: Mapping[str, Mapping[str, Any]]) -> None:
    listed = {name for names in METRICS_BY_FUNCTION.values() for name in names}
    written = {
        metric["Name"]
        for left in played.values()
        for blob in left["metrics"]
        for directive in blob["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    assert written <= listed
    assert len(written) > 20


# --- the command ------------------------------------------------------------------------------------------------

STACK = ("--stack", "SmsToConnect")


def _deliver(account: Account) -> None:
    """One text in each state, and one reply."""
    account.call("forward", batch(text(key="forwarded")))
    account.call("forward", batch(text(key="unknown-number", business_number="+12125550199")))
    open_chat_before = dict(account.tables["Ledger"].items)
    open_chat(account)
    account.tables["Ledger"].items |= open_chat_before
    account.call("reply", batch(reply_record(item(Id="said-1"))))
    account.call("forward", batch(by_chat(key="by-chat")))


def _published(account: Account) -> Callable[[Any], Any]:
    """SNS, which hands a notification to intake; what intake queues is delivered at once."""

    def publish(request: Any) -> Any:
        sns = {"MessageId": "sns-9", "Message": request.parameters["Message"], "Timestamp": "2026-11-22T12:00:00.000Z"}
        account.call("intake", {"Records": [{"Sns": sns}]})
        for message in account.queues["conversations"].messages():
            account.call("forward", batch(text() | {"body": message.body}))
        return {"MessageId": "sns-9"}

    return publish


def _numbers() -> dict[str, Any]:
    number: dict[str, Any] = {
        "PhoneNumber": BUSINESS_NUMBER,
        "PhoneNumberArn": ARN,
        "PhoneNumberId": "phone-1",
        "Status": "ACTIVE",
    }
    more: dict[str, Any] = {"IsoCountryCode": "US", "MessageType": "TRANSACTIONAL", "NumberCapabilities": ["SMS"]}
    more |= {"NumberType": "LONG_CODE", "MonthlyLeasingPrice": "1", "TwoWayEnabled": True}
    rest: dict[str, Any] = {
        "SelfManagedOptOutsEnabled": False,
        "OptOutListName": "Default",
        "DeletionProtectionEnabled": False,
    }
    channel = {"TwoWayChannelArn": OUTPUTS["InboundTopicArn"]}
    return {"PhoneNumbers": [number | more | rest | channel]}


COMMANDS: Mapping[str, tuple[str, ...]] = {
    "trace a forwarded text": ("trace", "forwarded", *STACK, "--json"),
    "trace a failed text": ("trace", "unknown-number", *STACK, "--json"),
    "trace a reply": ("trace", "said-1", *STACK, "--json"),
    "trace with content": ("trace", "forwarded", *STACK, "--json", "--show-content"),
    "trace what nobody knows": ("trace", "nothing", *STACK, "--json"),
    "trace without an id": ("trace", *STACK),
    "failed list": ("failed", "list", *STACK, "--json"),
    "failed list with content": ("failed", "list", *STACK, "--json", "--show-content"),
    "failed list of no such error": ("failed", "list", *STACK, "--json", "--reason", "Nonsense"),
    "failed show": ("failed", "show", "unknown-number", *STACK, "--json"),
    "failed show of what is not failed": ("failed", "show", "forwarded", *STACK, "--json"),
    "failed show of what nobody knows": ("failed", "show", "nothing", *STACK, "--json"),
    "failed redrive, dry": ("failed", "redrive", "--dry-run", *STACK, "--json"),
    "failed redrive": ("failed", "redrive", *STACK, "--json"),
    "failed redrive of what is not there": ("failed", "redrive", "nothing", *STACK, "--json"),
    "failed discard": ("failed", "discard", "--all", "--yes", "--copy", "copy.jsonl", *STACK, "--json"),
    "failed discard of everything, not said": ("failed", "discard", "--yes", *STACK, "--json"),
    "numbers": ("numbers", "--config", "bridge.toml", *STACK, "--json"),
    "doctor": ("doctor", "--config", "bridge.toml", *STACK, "--json"),
    "replay": ("replay", "hello.json", *STACK, "--json"),
    "replay of no such file": ("replay", "nothing.json", *STACK, "--json"),
    "no such command": ("nonsense",),
    "no such option": ("doctor", "--nonsense"),
    "a profile without a stack": ("doctor", "--profile", "x"),
}


@pytest.fixture
def asked(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """By command: the kinds of its objects, and its exit code."""
    monkeypatch.chdir(tmp_path)
    root = Path(__file__).parents[2]
    (tmp_path / "hello.json").write_text((root / "events" / "forwarded" / "hello.json").read_text())
    (tmp_path / "bridge.toml").write_text((root / "docs/bridge.toml").read_text())
    found: dict[str, Any] = {}
    for name, arguments in COMMANDS.items():
        _clean(account)
        _deliver(account)
        account.always["DescribePhoneNumbers"] = _numbers()
        account.always["GetCallerIdentity"] = {"Account": NUMBER, "Arn": f"arn:aws:iam::{NUMBER}:user/somebody"}
        if name == "replay":
            account.always["Publish"] = _published(account)
        capsys.readouterr()
        code = account.command(*arguments)
        printed = capsys.readouterr()
        rows = [json.loads(line) for line in printed.out.splitlines() if line.startswith("{")]
        found[name] = {
            "exit code": code,
            "objects": [merged(rows)] if rows else [],
            "stderr": printed.err,
            "rows": rows,
        }
    return found


def test_what_commands_say_to_programs_stays(asked: Mapping[str, Any], snapshot: SnapshotAssertion) -> None:
    known = re.search(r"one of ([\w, \n]+)", asked["failed list of no such error"]["stderr"])
    assert known
    assert snapshot(extension_class=JSONSnapshotExtension) == {
        "commands": {
            name: {"arguments": list(COMMANDS[name]), "exit code": one["exit code"], "objects": one["objects"]}
            for name, one in asked.items()
        },
        "error codes": sorted(code.strip() for code in known[1].split(", ")),
        "checks of doctor": sorted({row["check"] for row in asked["doctor"]["rows"]}),
        "states of doctor": sorted({row["state"] for row in asked["doctor"]["rows"]}),
        "outcomes of replay": sorted({row["outcome"] for row in asked["replay"]["rows"]}),
        "events of a trace": sorted(
            {event["event"] for one in asked.values() for row in one["rows"] for event in row.get("events", ())}
        ),
    }


def test_no_command_shows_a_customers_number_to_programs(asked: Mapping[str, Any]) -> None:
    assert CUSTOMER not in json.dumps([one["rows"] for one in asked.values()])


def test_commands_and_their_options_stay(snapshot: SnapshotAssertion) -> None:
    def described(command: Any) -> Any:
        if hasattr(command, "commands"):
            return {name: described(one) for name, one in sorted(command.commands.items())}
        return sorted(
            " ".join([*parameter.opts, *parameter.secondary_opts]) + (" (required)" if parameter.required else "")
            for parameter in command.params
        )

    assert described(typer.main.get_command(app)) == snapshot(extension_class=JSONSnapshotExtension)
