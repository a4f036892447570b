"""`bridge failed discard`: the copy, the ledger, and what is deleted of either queue."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import MalformedNotificationError
from bridge.texts.sms_event import conversation_id
from ops.failed.commands import print_discarded
from ops.failed.discard import Copy
from ops.failed.messages import BRIDGE_ATTRIBUTES
from ops.failed.selection import Selection
from ops.target import TargetError
from testing.builders import BUSINESS_NUMBER, CUSTOMER
from testing.clock import NOON
from testing.dead_letters import (
    NO_METADATA,
    EmptyReceives,
    Queues,
    SlowClient,
    SqsRouter,
    StandardQueue,
    customer,
    invocation_record,
    of_reason,
    sns_notification,
)


def test_what_is_discarded_is_copied_recorded_in_the_ledger_and_deleted(tmp_path: Path) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    queues.fail(CUSTOMER, "two", error=MalformedNotificationError("odd"))
    (body, other) = (message.body for message in queues.failed.messages())
    done = queues.discard(tmp_path / "copy.jsonl")
    assert done.discarded == 1 and [m.body for m in queues.failed.messages()] == [other] and queues.visible() == 1
    (line,) = (tmp_path / "copy.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["queue"], kept["body"], kept["group"]) == ("failed", body, conversation_id(CUSTOMER, BUSINESS_NUMBER))
    assert kept["attributes"]["error"] == "RejectedError"
    assert kept["attributes"].keys() == set(BRIDGE_ATTRIBUTES)
    assert (queues.ledger.outcome("one"), queues.ledger.outcome("two")) == ("discarded", "failed")


def test_what_sqs_itself_moved_is_discarded_in_the_ledger_too(tmp_path: Path) -> None:
    queues = Queues()
    queues.crash(CUSTOMER, "one")
    done = queues.discard(tmp_path / "copy.jsonl", of_reason("MovedBySqs"))
    assert (done.discarded, done.unrecorded, queues.ledger.outcome("one")) == (1, 0, "discarded")


def test_texts_whose_discarding_the_ledger_did_not_record_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queues = Queues()
    for key in ("one", "two", "three"):
        queues.fail(CUSTOMER, key)
    queues.ledger.record_ignored("one", NO_METADATA, "got on")
    del queues.ledger.table.items["two"]
    copy = tmp_path / "copy.jsonl"
    done = queues.discard(copy)
    assert (done.discarded, done.unrecorded) == (3, 2)
    print_discarded(queues.plan(), done, Copy(copy), [])
    assert "of 2 of them the ledger does not say so: they got on all the same, or" in capsys.readouterr().out


def test_what_fails_while_the_question_waits_for_its_answer_is_not_discarded(tmp_path: Path) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "asked-about")
    selection = Selection(reason="RejectedError", planned_at=NOON)
    queues.clock.time += 600
    for n in range(40):
        queues.fail(customer(n), f"t{n}")
    done = queues.discard(tmp_path / "copy.jsonl", selection)
    assert (done.discarded, len(done.later), len(done.left)) == (1, 40, 0)
    assert len(queues.failed) == queues.visible() == 40


def test_the_copy_is_on_the_disk_before_anything_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queues, happened = Queues(), list[str]()
    queues.fail(CUSTOMER, "one")
    really = os.fsync
    copy = tmp_path / "copy.jsonl"

    def fsync(file: int) -> None:
        really(file)
        happened.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else f"file {len(copy.read_text()) > 0}")

    monkeypatch.setattr(os, "fsync", fsync)
    delete = queues.sqs.delete_message_batch

    def deleting(**request: Any) -> Any:
        happened.append("deleted")
        return delete(**request)

    queues.sqs.delete_message_batch = deleting
    queues.discard(copy)
    assert happened == ["folder", "file True", "deleted"]


def test_the_copy_can_be_read_by_its_owner_only_and_overwrites_no_file(tmp_path: Path) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    copy = tmp_path / "copy.jsonl"
    copy.write_text("mine")
    with pytest.raises(TargetError, match="is there already: name another file with --copy"):
        queues.discard(copy)
    assert copy.read_text() == "mine" and len(queues.failed) == 1
    queues.discard(tmp_path / "other.jsonl")
    assert stat.S_IMODE((tmp_path / "other.jsonl").stat().st_mode) == 0o600


def test_a_file_created_meanwhile_or_a_full_disk_stops_the_discarding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    with Copy(tmp_path / "copy.jsonl") as kept:
        (tmp_path / "copy.jsonl").write_text("mine")
        with pytest.raises(TargetError, match="cannot be written: File exists; nothing more was discarded"):
            kept.write([{}])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TargetError, match="No space left"):
        queues.discard(tmp_path / "other.jsonl")
    assert len(queues.failed) == queues.visible() == 1


def test_nothing_to_discard_leaves_no_file(tmp_path: Path) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one", error=MalformedNotificationError("odd"))
    assert queues.discard(tmp_path / "copy.jsonl").discarded == 0
    assert not (tmp_path / "copy.jsonl").exists()


def test_what_was_copied_and_could_not_be_deleted_is_reported(tmp_path: Path) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    queues.sqs.undeletable = {queues.failed.messages()[0].body}
    done = queues.discard(tmp_path / "copy.jsonl")
    assert (done.discarded, done.undeleted) == (0, 1)


def test_undelivered_is_discarded_to_the_end_however_long_that_takes(tmp_path: Path) -> None:
    queues = Queues()
    bodies = [sns_notification("1", at=1) if n else invocation_record({"no": "SNS"}) for n in range(4000)]
    queue = StandardQueue(*bodies, clock=queues.clock)
    queues.sqs = SqsRouter(queues.sqs, SlowClient(queue, queues.clock, most=2000))
    done = queues.discard(tmp_path / "copy.jsonl", of_reason("NotTaken"))
    assert (done.discarded, len(done.left), queue.hidden) == (1, 3999, set())


@pytest.mark.parametrize("times", [1, 2])
def test_failed_is_discarded_to_the_end_though_receives_answer_empty(tmp_path: Path, times: int) -> None:
    queues = Queues()
    for n in range(25):
        queues.fail(CUSTOMER, f"t{n}")
    queues.sqs = EmptyReceives(queues.sqs, times=times)
    assert queues.discard(tmp_path / "copy.jsonl").discarded == 25 and len(queues.failed) == 0


def test_undelivered_is_discarded_with_a_copy_too(tmp_path: Path) -> None:
    queues = Queues()
    queue = StandardQueue(sns_notification("1", at=1), invocation_record({"no": "SNS"}))
    queues.sqs = SqsRouter(queues.sqs, queue)
    done = queues.discard(tmp_path / "copy.jsonl", of_reason("NotTaken"))
    assert (done.discarded, len(queue.messages)) == (1, 1) and not queue.hidden & queue.messages.keys()
    (line,) = (tmp_path / "copy.jsonl").read_text().splitlines()
    assert json.loads(line)["queue"] == "undelivered"
