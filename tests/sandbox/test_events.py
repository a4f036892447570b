"""Every file in events/ has the outcome of its folder, published to SNS or passed to intake directly."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.cli import run
from ops.demo import broken_promises
from ops.replay.command import replay
from ops.replay.outcomes import Result
from ops.target import Target
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import Phones, until

EVENTS = Path(__file__).parents[2] / "events"


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """A replay of events/: results in order, failed messages by MessageId, ledger items, accepted calls of Connect."""

    results: list[Result]
    failed: dict[str, Any]
    ledger: dict[str, dict[str, Any]]
    journal: list[dict[str, Any]]

    def of(self, folder: str) -> list[Result]:
        return [result for result in self.results if Path(result.file).parent.name == folder]

    def shown(self, name: str) -> list[dict[str, Any]]:
        contacts = {result.initial_contact_id for result in self.results if Path(result.file).stem == name}
        return [entry for entry in self.journal if entry["contact"] in contacts]


@pytest.fixture(scope="module", params=["published", "direct"])
def replayed(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Replayed]:
    phones = Phones(sandbox)
    phones.simulator.reset()
    phones.empty("FailedQueueUrl")
    results = replay(Target.in_sandbox(sandbox.name), [EVENTS], direct=request.param == "direct")
    yield Replayed(
        results=results,
        failed={json.loads(entry["Body"])["Sns"]["MessageId"]: entry for entry in phones.failed()},
        ledger={result.text_key: phones.item(result.text_key) for result in results},
        journal=phones.shown(),
    )
    phones.empty("FailedQueueUrl")
    phones.simulator.close()


def test_every_event_ends_as_its_folder_promises(replayed: Replayed) -> None:
    assert broken_promises(replayed.results) == []
    assert {result.file for result in replayed.results} == {
        str(path) for path in EVENTS.rglob("*.json") if path.parent.name != "undelivered"
    }


def test_a_bad_event_is_in_failed_untouched_with_the_reason_that_the_ledger_has(replayed: Replayed) -> None:
    bad = replayed.of("failed")
    assert {result.message_id for result in bad} == set(replayed.failed)
    for result in bad:
        entry = replayed.failed[result.message_id]
        (record,) = json.loads(Path(result.file).read_text())["Records"]
        kept = json.loads(entry["Body"])
        assert _without_id(kept["Sns"]["Message"]) == _without_id(record["Sns"]["Message"])
        assert kept["Sns"].keys() >= {"Type", "MessageId", "TopicArn", "Timestamp", "Signature"}
        said = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
        assert said["reason"] == replayed.ledger[result.text_key]["reason"] == result.reason
        assert said["text_key"] == result.text_key
        assert said["error"] == replayed.ledger[result.text_key]["error"]


def test_a_bad_event_s_reason_is_a_sentence_without_a_body_or_a_whole_number(replayed: Replayed) -> None:
    for result in replayed.of("failed"):
        assert result.reason
        assert len(result.reason.split()) >= 3
        assert not re.search(r"\d{5}", result.reason)
        assert not re.search(r"Error|Exception|Traceback|Who am I|anybody", result.reason)


def test_what_the_chats_show(replayed: Replayed) -> None:
    def contents(name: str) -> list[Any]:
        return [_said(entry["content"]) for entry in replayed.shown(name)]

    def body(name: str, record: int = 0) -> str:
        sns = json.loads((EVENTS / f"forwarded/{name}.json").read_text())["Records"][record]["Sns"]
        return str(json.loads(sns["Message"])["messageBody"])

    assert contents("emoji-and-non-latin") == [body("emoji-and-non-latin")]
    assert len(body("1600-characters")) == 1600
    assert len(contents("1600-characters")) == 2
    assert re.sub(r"\s", "", "".join(contents("1600-characters"))) == re.sub(r"\s", "", body("1600-characters"))
    assert contents("empty-body") == contents("missing-body") == ["(empty message)"]
    assert len(replayed.shown("delivered-twice")) == 1
    assert contents("hello-follow-up") == [body("hello"), body("hello-follow-up")]
    assert [entry["type"] for entry in replayed.shown("disconnect-keyword")] == ["MESSAGE", "DISCONNECT"]
    (second,) = replayed.shown("second-number")
    assert second["display_name"] == "Support: +14255550182"
    assert second["attributes"]["queue"] == "support"


def test_two_texts_published_in_turn_are_shown_in_turn(sandbox: Sandbox, phones: Phones) -> None:
    file = EVENTS / "forwarded/timestamps-in-the-other-order.json"
    for _ in range(3):
        replay(Target.in_sandbox(sandbox.name), [file])
    order = [_said(entry["content"]) for entry in phones.shown()]
    assert order == ["Mine is the later Timestamp.", "Mine is the earlier Timestamp."] * 3


def test_what_undelivered_can_hold_can_be_replayed(sandbox: Sandbox, phones: Phones) -> None:
    results = replay(Target.in_sandbox(sandbox.name), [EVENTS / "undelivered"])
    assert [result.outcome for result in results] == ["forwarded", "forwarded"]
    assert len(phones.shown()) == 2


def test_ids_that_are_kept_make_a_second_replay_a_duplicate(sandbox: Sandbox, phones: Phones, tmp_path: Path) -> None:
    file = _event(tmp_path / "hello.json", str(uuid.uuid4()))
    target = Target.in_sandbox(sandbox.name)
    assert [result.outcome for result in replay(target, [file, file], keep_ids=True)] == ["forwarded", "duplicate"]
    assert [result.outcome for result in replay(target, [file], keep_ids=True)] == ["duplicate"]
    assert [result.outcome for result in replay(target, [file])] == ["forwarded"]
    assert len(phones.shown()) == 2


def test_a_text_without_an_outcome_is_waiting_and_the_exit_code_is_1(
    sandbox: Sandbox, phones: Phones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _event(tmp_path / "hello.json", key := str(uuid.uuid4()))
    options = ["--sandbox", sandbox.name, "--keep-ids", "--json"]
    with phones.fault("refuse"):
        assert run(["replay", str(file), *options, "--timeout", "3"]) == 1
        waiting = json.loads(capsys.readouterr().out)
        assert (waiting["outcome"], waiting["inboundMessageId"]) == ("waiting", key)
        assert waiting["reason"] == phones.item(key)["reason"]
    until(lambda: phones.item(key).get("outcome") == "forwarded", seconds=30, what="the text is forwarded")
    assert run(["replay", str(file), *options]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "duplicate"


def test_what_is_on_undelivered_is_seen_there_and_stays(sandbox: Sandbox, phones: Phones, tmp_path: Path) -> None:
    file = _event(tmp_path / "lost.json", key := str(uuid.uuid4()))
    envelope = {"Type": "Notification", "MessageId": f"sns-{key}", "Message": "{}"}
    attributes = {"ErrorMessage": {"DataType": "String", "StringValue": "no such function"}}
    sandbox.client("sqs").send_message(
        QueueUrl=sandbox.outputs["UndeliveredQueueUrl"], MessageBody=json.dumps(envelope), MessageAttributes=attributes
    )
    try:
        with phones.fault("refuse"):
            (result,) = replay(Target.in_sandbox(sandbox.name), [file], direct=True, timeout=20)
        assert (result.outcome, result.reason) == ("undelivered", "SNS could not hand it to intake: no such function")
        assert any(f"sns-{key}" in entry["Body"] for entry in phones.undelivered())
        until(lambda: phones.item(key).get("outcome") == "forwarded", seconds=30, what="the text is forwarded")
    finally:
        phones.empty("UndeliveredQueueUrl")


def test_a_path_that_cannot_be_replayed_is_one_line_and_nothing_is_published(
    sandbox: Sandbox, phones: Phones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = tmp_path / "absent.json"
    assert run(["replay", str(EVENTS / "forwarded/hello.json"), str(absent), "--sandbox", sandbox.name]) == 2
    assert capsys.readouterr().err.splitlines() == [f"bridge: {absent}: cannot be read (No such file or directory)"]
    assert phones.shown() == []


def _event(path: Path, key: str) -> Path:
    """A file with one text that has not been replayed."""
    event = json.loads((EVENTS / "forwarded/hello.json").read_text())
    sns = event["Records"][0]["Sns"]
    sns["MessageId"] = f"sns-{key}"
    sns["Message"] = json.dumps(json.loads(sns["Message"]) | {"inboundMessageId": key})
    path.write_text(json.dumps(event))
    return path


def _without_id(message: str) -> object:
    """What a replay does not change: all but inboundMessageId."""
    try:
        content = json.loads(message)
    except ValueError:
        return message
    return {**content, "inboundMessageId": None} if isinstance(content, dict) else message


def _said(content: str | None) -> str | None:
    """Without the line for a late text: the Timestamps of the files are old."""
    return re.sub(r"^\(sent [^)]*\)\s", "", content) if content else content
