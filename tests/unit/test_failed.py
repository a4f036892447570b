"""`bridge failed`: what is taken out of the queues, in which order, and what stays, on the models of the queues."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bridge import errors
from bridge.aws.queues import DeadLetterQueue as FailedQueue
from bridge.errors import BridgeError, MalformedNotificationError, RejectedError, UnknownChatError
from bridge.processing.notification import SnsNotification
from bridge.processing.state import MessageMetadata
from bridge.replies.participants import Participants
from bridge.texts import sms_event
from bridge.texts.sms_event import conversation_id
from ops.failed import handing
from ops.failed.advice import ADVICE
from ops.failed.commands import Job, Run, _say_discarded, _say_redriven
from ops.failed.copy import Copy
from ops.failed.discarding import Discard, Discarded
from ops.failed.draining import HIDDEN
from ops.failed.handing import Handed, HandOver
from ops.failed.hiding import LONGEST
from ops.failed.letters import Letter
from ops.failed.listing import Failed, compared, summed_up
from ops.failed.parcels import Parcel
from ops.failed.queues import Counts, fitting
from ops.failed.redriving import Redrive, Redriven
from ops.failed.selection import Filters, Selection, reasons
from ops.output import Output
from ops.target import TargetError
from testing.builders import CUSTOMER, OTHER_CUSTOMER, OURS, payload, record
from testing.chat_events import CHAT, item, streamed
from testing.clock import NOON, FakeClock
from testing.ledger import TableLedger
from testing.models.fifo import Fifo, Message
from testing.models.sqs import SqsClient, received
from testing.models.table import Table
from tests.unit.test_story import item as ledger_item

OUTPUTS = {
    "FailedQueueUrl": "failed",
    "ConversationsQueueUrl": "conversations",
    "RepliesQueueUrl": "https://sqs/111122223333/replies",
    "UndeliveredQueueUrl": "undelivered",
    "IntakeFunctionName": "intake",
    "ReplyIntakeFunctionName": "reply-intake",
    "StreamingTopicArn": "arn:aws:sns:us-east-1:111122223333:streaming",
}
NO_FACTS = MessageMetadata()


class KilledError(BaseException):
    pass


class Mortal:
    """A client whose process is killed at its nth call of any kind: before SQS does it, or after."""

    def __init__(self, of: object, *, nth: int, done: bool) -> None:
        self._of, self._nth, self._done, self._calls = of, nth, done, 0

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._calls += 1
            if self._calls > self._nth or (self._calls == self._nth and not self._done):
                raise KilledError
            answer = getattr(self._of, name)(**request)
            if self._calls == self._nth:
                raise KilledError
            return answer

        return call


class Slow:
    """A client whose every call takes a second; a run of so many calls does not end by itself."""

    def __init__(self, of: object, clock: FakeClock, *, most: int) -> None:
        self._of, self._clock, self._left = of, clock, most

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._left -= 1
            assert self._left, "it does not end"
            self._clock.sleep(1)
            return getattr(self._of, name)(**request)

        return call


class Overlooking:
    """A client whose receives, so many in a row before each that looks, say that there is nothing."""

    def __init__(self, of: object, *, times: int) -> None:
        self._of, self._times, self._left = of, times, times

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            if name == "receive_message":
                self._left = self._times if self._left == 0 else self._left - 1
                if self._left != self._times:
                    return {}
            return getattr(self._of, name)(**request)

        return call


class Office:
    """The failed queue, the queues that it is put back on, and a ledger that takes notes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = TableLedger(clock=self.clock)
        self.failed = Fifo(now=self.clock.now, visibility=30, name="failed")
        self.conversations, self.replies = (
            Fifo(now=self.clock.now, visibility=180, name=name, max_receives=2, dead_letters=self.failed)
            for name in ("conversations", "replies")
        )
        self.undelivered = Fifo(now=self.clock.now, visibility=30, name="undelivered")
        queues = {"failed": self.failed, "conversations": self.conversations, "undelivered": self.undelivered}
        self.sqs: Any = SqsClient(queues | {OUTPUTS["RepliesQueueUrl"]: self.replies})

    def fail(self, customer: str, key: str, *, error: BridgeError | None = None, stage: str = "forward") -> None:
        """A text of this customer in failed, as a function puts it there."""
        came = record(
            payload(f"words of {key}", originationNumber=customer, inboundMessageId=key), MessageId=f"sns-{key}"
        )
        self.put(json.dumps(came), key, conversation_id(customer, OURS), error or RejectedError("400"), stage)

    def crash(self, customer: str, key: str) -> None:
        """A text that SQS itself moved to failed: forward said nothing, and the ledger calls it pending."""
        came = record(payload("hi", originationNumber=customer, inboundMessageId=key))
        self.conversations.send(json.dumps(came), group=conversation_id(customer, OURS), deduplication_id=key)
        self.ledger.record_receipt(key, NO_FACTS, at=self.clock.time)
        for _ in range(3):
            self.clock.time += 200
            self.conversations.receive()

    def put(self, body: str, key: str, group: str, error: BridgeError, stage: str) -> None:
        queue = FailedQueue(client=self.sqs, url="failed", stage=stage, now=self.clock.now)
        message_id = f"entry-{key}" if stage in ("forward", "reply") else None
        queue.send(body, error, group_id=group, deduplication_id=key, key=key, attempts=1, message_id=message_id)
        ledger = TableLedger(clock=self.clock, stage=stage, table=self.ledger.table)
        ledger.record_failure(key, NO_FACTS, error, message_id=message_id)

    def redrive(self, selection: Selection | None = None, *, sqs: Any = None, rate: float | None = None) -> Redriven:
        return Redrive(
            sqs=sqs or self.sqs,
            outputs=OUTPUTS,
            notes=self.ledger.operators,
            selection=selection or Selection(),
            rate=rate,
            clock=self.clock.as_clock(),
        ).run()

    def job(self, **asked: Any) -> Job:
        """As a command plans it; the ledger that it reads is empty."""
        clients = {"sqs": self.sqs, "dynamodb": Table(by="text_key"), "lambda": Functions()}
        target: Any = SimpleNamespace(
            where="here", options="", client=clients.__getitem__, outputs=OUTPUTS | {"LedgerTableName": "ledger"}
        )
        return Job.of(target, Output(), **asked)

    def discard(self, copy: Path, selection: Selection | None = None) -> Discarded:
        with Copy(copy) as kept:
            return Discard(
                sqs=self.sqs,
                outputs=OUTPUTS,
                notes=self.ledger.operators,
                selection=selection or Selection(reason="RejectedError"),
                copy=kept,
                clock=self.clock.as_clock(),
            ).run()

    def keys(self, queue: Fifo, customer: str | None = None) -> list[str]:
        """Text keys on a queue, in its order."""
        return [
            key_of(message)
            for message in queue.messages()
            if customer is None or message.group == conversation_id(customer, OURS)
        ]

    def visible(self) -> int:
        return len([m for m in self.failed.messages() if m.visible_at <= self.clock.time])


def key_of(message: Message) -> str:
    return sms_event.parse(SnsNotification.from_json(message.body)).key


def customer(number: int) -> str:
    return f"+1{301 + number // 100}55501{number % 100:02}"


def only(*keys: str) -> Selection:
    return Selection(ids=frozenset(keys))


def of_reason(reason: str) -> Selection:
    return Selection(reason=reason)


# --- redrive ----------------------------------------------------------------------------------------------


def test_everything_is_put_back_each_conversation_in_its_order() -> None:
    office = Office()
    for n in range(25):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            office.fail(who, f"{who[-4:]}-{n}")
    assert office.redrive().put_back == 50
    assert len(office.failed) == 0
    for who in (CUSTOMER, OTHER_CUSTOMER):
        assert office.keys(office.conversations, who) == [f"{who[-4:]}-{n}" for n in range(25)]
    assert {record.outcome for record in office.ledger.records().values()} == {"pending"}
    assert all(record.redriven_at for record in office.ledger.records().values())


def test_what_is_put_back_is_untouched_and_its_deduplication_id_is_the_failed_entrys() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    (before,) = office.failed.messages()
    office.redrive()
    (after,) = office.conversations.messages()
    assert (after.body, after.group, after.deduplication_id) == (before.body, before.group, before.message_id)


def test_where_one_is_refused_none_behind_it_is_sent_and_the_other_conversations_get_on() -> None:
    office = Office()
    for n in range(12):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            office.fail(who, f"{who[-4:]}-{n}")
    office.sqs.refusing = {conversation_id(CUSTOMER, OURS)}
    done = office.redrive()
    assert (done.put_back, dict(done.refused)) == (12, {"InternalError": 1})
    assert office.keys(office.conversations, CUSTOMER) == [] and office.visible() == 12
    office.sqs.refusing = set()
    assert office.redrive().put_back == 12
    assert office.keys(office.conversations, CUSTOMER) == [f"{CUSTOMER[-4:]}-{n}" for n in range(12)]


def test_a_batch_that_is_refused_in_part_keeps_the_order_of_each_conversation() -> None:
    office = Office()
    for n in range(3):
        office.fail(CUSTOMER, f"a{n}")
    refused_once = iter([True])

    class Flaky:
        def __getattr__(self, name: str) -> Any:
            def call(**request: Any) -> Any:
                first = request.get("Entries", [{}])[0]
                if name == "send_message_batch" and "a1" in first["MessageBody"] and next(refused_once, False):
                    return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in request["Entries"]]}
                return getattr(office.sqs, name)(**request)

            return call

    done = office.redrive(sqs=Flaky())
    assert office.keys(office.conversations) == ["a0", "a1", "a2"]
    assert (done.put_back, dict(done.refused)) == (3, {"InternalError": 1})


def test_a_reply_of_a_stack_without_a_reply_path_stays_in_failed_and_is_told() -> None:
    """On conversations, it would be a text that nobody can read."""
    office = Office()
    office.fail(CUSTOMER, "one")
    office.put("{}", "a-reply", "contact-1", UnknownChatError("no phone"), "reply")
    without = {name: value for name, value in OUTPUTS.items() if name != "RepliesQueueUrl"}
    clock = office.clock.as_clock()
    done = Redrive(
        sqs=office.sqs, outputs=without, notes=office.ledger.operators, selection=Selection(), clock=clock
    ).run()
    assert (office.keys(office.conversations), len(office.failed), done.put_back) == (["one"], 1, 1)
    assert office.visible() == 1
    run = Run(office.job())
    run.redriven.without_queue |= done.without_queue
    assert "1 of replies left: the stack has no replies queue any more" in run.trouble()[0]


def test_an_entry_is_deleted_from_failed_only_once_its_queue_has_it() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    office.sqs.fail_next("send_message_batch", "conversations", times=1)
    with pytest.raises(ClientError):
        office.redrive()
    assert (office.keys(office.failed), office.keys(office.conversations)) == (["one"], [])
    assert office.visible() == 1, "it is let go at once"


def test_what_was_put_back_and_could_not_be_deleted_is_said_and_not_put_back_twice() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    office.fail(CUSTOMER, "two")
    office.sqs.undeletable = {office.failed.messages()[0].body}
    done = office.redrive()
    assert (done.put_back, len(done.undeleted)) == (2, 1)
    office.sqs.undeletable = set()
    office.redrive()
    assert (office.keys(office.failed), office.keys(office.conversations)) == ([], ["one", "two"])


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("nth", range(1, 16))
def test_a_run_that_is_killed_at_any_call_and_run_again_loses_nothing_and_puts_nothing_back_twice(
    nth: int, done: bool
) -> None:
    office = Office()
    keys = [(customer(c), f"{c}-{n}") for n in range(6) for c in range(4)]
    for who, key in keys:
        office.fail(who, key)
    with pytest.raises(KilledError):
        office.redrive(sqs=Mortal(office.sqs, nth=nth, done=done))
    everything = office.keys(office.failed) + office.keys(office.conversations)
    assert set(everything) == {key for _, key in keys}, "lost"
    before = office.clock.time
    office.redrive()
    assert office.clock.time - before <= HIDDEN, "what the killed run hid is waited for, and no longer"
    assert len(office.failed) == 0
    assert sorted(office.keys(office.conversations)) == sorted(key for _, key in keys), "twice"
    for c in range(4):
        assert office.keys(office.conversations, customer(c)) == [f"{c}-{n}" for n in range(6)]


@pytest.mark.parametrize("times", [1, 2])
def test_failed_is_redriven_to_the_end_though_receives_answer_empty(times: int) -> None:
    office = Office()
    for n in range(25):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            office.fail(who, f"{who[-4:]}-{n}")
    before = office.clock.time
    assert office.redrive(sqs=Overlooking(office.sqs, times=times)).put_back == 50
    assert len(office.failed) == 0 and office.clock.time == before
    for who in (CUSTOMER, OTHER_CUSTOMER):
        assert office.keys(office.conversations, who) == [f"{who[-4:]}-{n}" for n in range(25)]


def test_a_round_looks_on_after_an_empty_receive_before_it_puts_anything_back() -> None:
    """What intake could not read is in a group of its own each: only what is in one round can be put in order."""
    office = Office()
    for n, at in enumerate((5, 3, 9, 1)):
        body = json.dumps(record(payload(str(n), inboundMessageId=f"k{at}"), Timestamp=f"2026-10-01T12:00:0{at}Z"))
        office.put(body, f"k{at}", f"k{at}", MalformedNotificationError("odd"), "intake")

    class OneByOne:
        def __getattr__(self, name: str) -> Any:
            def call(**request: Any) -> Any:
                return getattr(office.sqs, name)(**request | ({"MaxNumberOfMessages": 1} if "receive" in name else {}))

            return call

    office.redrive(sqs=Overlooking(OneByOne(), times=2))
    assert office.keys(office.conversations) == ["k1", "k3", "k5", "k9"]


def test_there_is_one_loop_in_ops_that_reads_a_queue_to_its_end() -> None:
    ops = Path(handing.__file__).parent.parent
    receiving = {str(path.relative_to(ops)) for path in ops.rglob("*.py") if ".receive_message(" in path.read_text()}
    assert receiving == {"failed/receiving.py", "replay.py"}, "replay looks at what comes and concludes nothing"


def test_three_receives_in_a_row_that_bring_nothing_are_the_end() -> None:
    office, asked = Office(), list[int]()
    receive = office.sqs.receive_message

    def counting(**request: Any) -> Any:
        asked.append(request["WaitTimeSeconds"])
        return receive(**request)

    office.sqs.receive_message = counting
    office.redrive()
    assert asked == [1, 1, 1], "each waits, and there is no fourth"


def test_a_run_that_is_killed_is_not_waited_for_when_nothing_is_hidden() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    before = office.clock.time
    office.redrive()
    assert office.clock.time == before


def test_what_another_run_hides_to_the_end_is_said_though_the_ledger_does_not_call_it_failed() -> None:
    """SQS itself moved it there; what this run left hides behind nobody."""
    office = Office()
    office.crash(CUSTOMER, "moved")
    office.failed.receive(visibility=LONGEST)
    office.fail(OTHER_CUSTOMER, "other")
    done = office.redrive(of_reason("MovedBySqs"))
    assert (done.put_back, done.hidden, len(done.left)) == (0, 1, 1)
    (said,) = office.job().missed(done.seen, hidden_in_failed=done.hidden)
    assert said == (
        "about 1 in failed was hidden by another run, or by one that was killed: run it again in 10 minutes"
    )
    office.clock.time += LONGEST
    again = office.redrive(of_reason("MovedBySqs"))
    assert (again.put_back, again.hidden) == (1, 0)


def test_a_discard_too_says_what_another_run_hides(tmp_path: Path) -> None:
    office = Office()
    office.crash(CUSTOMER, "moved")
    office.failed.receive(visibility=LONGEST)
    assert office.discard(tmp_path / "copy.jsonl", of_reason("MovedBySqs")).hidden == 1


def test_what_is_not_meant_stays_where_it_is_and_is_seen_by_others_at_once() -> None:
    office = Office()
    for n in range(30):
        who = CUSTOMER if n % 2 else OTHER_CUSTOMER
        office.fail(who, f"t{n}", error=RejectedError("400") if n % 3 else MalformedNotificationError("odd"))
    stay = [f"t{n}" for n in range(30) if n % 3]
    done = office.redrive(of_reason("MalformedNotificationError"))
    assert (done.put_back, len(done.left)) == (10, 20)
    assert office.keys(office.failed) == stay and office.visible() == 20
    assert office.keys(office.conversations, CUSTOMER) == [f"t{n}" for n in range(0, 30, 3) if n % 2]


def test_texts_that_are_put_back_ahead_of_an_earlier_one_are_counted() -> None:
    office = Office()
    for key in ("a0", "a1", "a2"):
        office.fail(CUSTOMER, key)
    office.fail(OTHER_CUSTOMER, "b0")
    done = office.redrive(only("a1", "a2", "b0"))
    assert (done.put_back, len(done.overtaking)) == (3, 2)
    assert office.keys(office.failed) == ["a0"]


def test_what_lies_behind_more_than_sqs_hands_out_of_a_conversation_stays_and_the_run_ends() -> None:
    office = Office()
    for n in range(11):
        office.fail(CUSTOMER, f"a{n}")
    office.fail(OTHER_CUSTOMER, "b0")
    done = office.redrive(only("a10", "b0"))
    assert (done.put_back, "a10" in done.seen, "b0" in done.seen) == (1, False, True)
    assert len(office.failed) == office.visible() == 11


def test_a_run_for_single_texts_ends_when_it_has_found_them() -> None:
    office = Office()
    for n in range(300):
        office.fail(customer(n), f"t{n}")
    office.redrive(only("t0", "sns-t1"))
    assert office.keys(office.conversations) == ["t0", "t1"]
    assert office.sqs.calls.count("send_message_batch") == 1
    assert len(office.failed) == office.visible() == 298
    assert max(message.receives for message in office.failed.messages()[150:]) == 0


def test_a_run_that_lasts_longer_than_entries_are_hidden_comes_to_what_is_behind_them_and_ends() -> None:
    office = Office()
    for n in range(2000):
        office.fail(customer(n), f"t{n}")
    office.fail(customer(2000), "last", error=MalformedNotificationError("odd"))
    done = office.redrive(of_reason("MalformedNotificationError"), sqs=Slow(office.sqs, office.clock, most=2000))
    assert office.keys(office.conversations) == ["last"]
    assert len(done.left) == office.visible() == 2000
    assert max(message.receives for message in office.failed.messages()) == 1, "nothing was handed out twice"


def test_a_run_that_is_killed_hides_what_it_left_for_minutes_only() -> None:
    office = Office()
    for n in range(500):
        office.fail(customer(n), f"t{n}")
    mortal = Mortal(Slow(office.sqs, office.clock, most=200), nth=100, done=True)
    with pytest.raises(KilledError):
        office.redrive(of_reason("MalformedNotificationError"), sqs=mortal)
    assert 0 < office.visible() < 500
    office.clock.time += LONGEST
    assert office.visible() == 500


def test_what_sqs_itself_moved_goes_back_to_the_queue_that_it_was_on_and_is_counted_apart() -> None:
    office = Office()
    text, reply = record(payload("hi", inboundMessageId="text")), streamed(item("hi", Id="reply"))
    office.conversations.send(json.dumps(text), group=conversation_id(CUSTOMER, OURS), deduplication_id="text")
    office.replies.send(json.dumps(reply), group=CHAT, deduplication_id="reply")
    for _ in range(3):
        office.clock.time += 200
        office.conversations.receive(), office.replies.receive()
    assert len(office.failed) == 2
    done = office.redrive(of_reason("MovedBySqs"))
    assert (done.put_back, done.from_sqs) == (2, 2)
    (back,), (reply_back,) = office.conversations.messages(), office.replies.messages()
    assert (json.loads(back.body), back.group) == (text, conversation_id(CUSTOMER, OURS))
    assert (json.loads(reply_back.body), reply_back.group) == (reply, CHAT)


def test_a_reply_goes_back_to_its_chat_by_the_stage_that_gave_it_up() -> None:
    office = Office()
    body = json.dumps(streamed(item("hi", Id="one")))
    office.put(body, "reply-one", CHAT, RejectedError("400"), "reply")
    office.redrive()
    assert [message.group for message in office.replies.messages()] == [CHAT]
    assert office.ledger.outcome("reply-one") == "pending"


def test_what_intake_could_not_read_goes_on_its_conversation_once_it_can_be_read() -> None:
    office = Office()
    readable = json.dumps(record(payload("hi", inboundMessageId="one")))
    office.put(readable, "one", "one", MalformedNotificationError("odd"), "intake")
    office.put(json.dumps(record("no JSON")), "two", "two", MalformedNotificationError("odd"), "intake")
    office.redrive()
    assert {message.group for message in office.conversations.messages()} == {conversation_id(CUSTOMER, OURS), "two"}


class Quick:
    """SQS, where forward fails what is put back before the operator looks again."""

    def __init__(self, office: Office, sqs: object) -> None:
        self._office, self._of, self._failed = office, sqs, set[str]()

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            answer = getattr(self._of, name)(**request)
            if name == "delete_message_batch":
                self._fail()
            return answer

        return call

    def _fail(self) -> None:
        office = self._office
        for message in office.conversations.messages():
            if message.message_id not in self._failed:
                self._failed.add(message.message_id)
                queue = FailedQueue(client=office.sqs, url="failed", stage="forward", now=office.clock.now)
                queue.send(
                    message.body,
                    RejectedError("again"),
                    group_id=message.group,
                    deduplication_id=message.message_id,
                    key=key_of(message),
                    message_id=message.message_id,
                )


def test_what_intake_could_not_read_of_a_conversation_goes_on_it_in_the_order_in_which_it_was_published() -> None:
    office = Office()
    for minute in (3, 1, 4):
        text = payload("hi", inboundMessageId=f"t{minute}")
        body = json.dumps(record(text, sent_at=NOON + timedelta(minutes=minute)))
        office.put(body, f"t{minute}", f"t{minute}", MalformedNotificationError("odd"), "intake")
    office.put(
        json.dumps(record(payload("hi", inboundMessageId="t2"), sent_at=NOON + timedelta(minutes=2))),
        "t2", conversation_id(CUSTOMER, OURS), RejectedError("400"), "forward",
    )  # fmt: skip
    office.redrive()
    assert office.keys(office.conversations, CUSTOMER) == ["t1", "t2", "t3", "t4"]


def test_a_group_keeps_the_order_that_it_has_in_failed() -> None:
    """What had been shown in part when it failed stays ahead, whenever it was published."""
    office = Office()
    for minute in (2, 1):
        body = json.dumps(
            record(payload("hi", inboundMessageId=f"t{minute}"), sent_at=NOON + timedelta(minutes=minute))
        )
        office.put(body, f"t{minute}", conversation_id(CUSTOMER, OURS), RejectedError("400"), "forward")
    office.redrive()
    assert office.keys(office.conversations) == ["t2", "t1"]


def test_what_fails_again_meanwhile_stays_in_failed() -> None:
    office = Office()
    for n in range(3):
        office.fail(CUSTOMER, f"a{n}")
    done = office.redrive(sqs=Quick(office, office.sqs))
    assert (done.put_back, len(done.failed_again)) == (3, 3)
    assert office.keys(office.failed) == ["a0", "a1", "a2"] and office.visible() == 3


def test_a_long_run_ends_though_all_that_it_puts_back_fails_again() -> None:
    office = Office()
    for n in range(300):
        office.fail(customer(n), f"t{n}")
    done = office.redrive(sqs=Quick(office, Slow(office.sqs, office.clock, most=600)))
    assert (done.put_back, len(done.failed_again)) == (300, 300)
    assert len(office.failed) == office.visible() == 300


def test_what_comes_to_failed_after_a_run_was_planned_is_left_and_counted_so_that_the_run_ends() -> None:
    office = Office()
    office.fail(CUSTOMER, "meant")
    selection = Selection(reason="RejectedError", planned_at=NOON)

    class Feeding(Slow):
        """Another run puts back what fails again, for ever."""

        def __getattr__(self, name: str) -> Any:
            if name == "receive_message":
                office.clock.time += 5
                office.fail(customer(len(office.failed)), f"t{office.clock.time}")
            return super().__getattr__(name)

    done = office.redrive(selection, sqs=Feeding(office.sqs, office.clock, most=50))
    assert office.keys(office.conversations) == ["meant"] and (done.put_back, len(done.left)) == (1, 0)
    assert done.later and len(office.failed) == office.visible()


def test_a_run_for_a_single_text_ends_where_that_one_came_later() -> None:
    office = Office()
    office.clock.time += 10
    for n in range(300):
        office.fail(customer(n), f"t{n}")
    done = office.redrive(Selection(ids=frozenset({"t0"}), planned_at=NOON))
    assert (done.put_back, len(done.later)) == (0, 1) and "t0" in done.seen
    assert max(message.receives for message in office.failed.messages()[150:]) == 0


def test_it_is_by_the_clock_of_sqs_that_a_run_is_planned_and_seconds_do_not_count(
    capsys: pytest.CaptureFixture[str],
) -> None:
    office = Office()
    office.fail(CUSTOMER, "before")
    job = office.job()
    assert job.selection.planned_at == NOON
    for seconds, key in ((1, "at-once"), (60, "later")):
        office.clock.time += seconds
        office.fail(OTHER_CUSTOMER, key)
    run = Run(job)
    run.run()
    _say_redriven(job, run, run.trouble())
    assert office.keys(office.conversations) == ["before", "at-once"] and office.keys(office.failed) == ["later"]
    said = capsys.readouterr()
    assert said.out == (
        "2 texts put back on their queues\n1 came after this was begun, and was left: run it again for them\n"
    )
    assert said.err == ""


def test_where_sqs_does_not_say_when_it_was_asked_the_operators_clock_says_it() -> None:
    class Silent:
        def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
            return {"Attributes": {"ApproximateNumberOfMessages": "3"}}

    before = datetime.now(UTC)
    found = Counts.of(Silent(), "failed")
    assert (found.visible, found.hidden) == (3, 0) and before <= found.at <= datetime.now(UTC)


def test_a_text_that_the_ledger_could_not_note_is_put_back_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    office = Office()
    office.fail(CUSTOMER, "one")

    def broken(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")

    office.ledger.operators.redriven = broken  # type: ignore[method-assign]
    done = office.redrive()
    assert (done.put_back, done.unnoted) == (1, 1)
    run = Run(office.job())
    run.redriven.unnoted = 1
    _say_redriven(office.job(), run, [])
    assert "of 1 of them the ledger could not be told" in capsys.readouterr().out


@pytest.mark.parametrize(("rate", "seconds"), [(2.0, 10), (0.5, 40), (50.0, 0.4)])
def test_a_rate_is_kept(rate: float, seconds: float) -> None:
    office = Office()
    for n in range(21):
        office.fail(customer(n), f"t{n}")
    before = office.clock.time
    assert office.redrive(rate=rate).put_back == 21
    assert seconds * 0.75 <= office.clock.time - before <= seconds + 1
    assert office.keys(office.conversations) == [f"t{n}" for n in range(21)], "nothing came back while it was in hand"


def test_a_batch_holds_ten_at_most_and_no_more_than_sqs_takes() -> None:
    def letter(size: int) -> Letter:
        message = Message(
            message_id="m", sequence=1, body="x" * size, group="g", deduplication_id="d", attributes={}, sent_at=0,
            receipt="r",
        )  # fmt: skip
        return Letter.from_message(received(message))

    assert len(fitting([letter(10)] * 25, most=10)) == 10
    assert len(fitting([letter(10)] * 25, most=3)) == 3
    assert len(fitting([letter(100_000)] * 3, most=10)) == 2
    assert len(fitting([letter(250_000)] * 3, most=10)) == 1


def test_nothing_that_is_printed_of_an_entry_holds_a_body_or_a_number() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    (message,) = office.failed.receive()
    said = repr(Letter.from_message(received(message)))
    for secret in ("words of", CUSTOMER[1:], OURS[1:], conversation_id(CUSTOMER, OURS)):
        assert secret not in said


# --- discard ----------------------------------------------------------------------------------------------


def test_what_is_discarded_is_in_the_copy_noted_in_the_ledger_and_gone(tmp_path: Path) -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    office.fail(CUSTOMER, "two", error=MalformedNotificationError("odd"))
    (body, other) = (message.body for message in office.failed.messages())
    done = office.discard(tmp_path / "copy.jsonl")
    assert done.discarded == 1 and [m.body for m in office.failed.messages()] == [other] and office.visible() == 1
    (line,) = (tmp_path / "copy.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["queue"], kept["body"], kept["group"]) == ("failed", body, conversation_id(CUSTOMER, OURS))
    assert kept["attributes"]["error"] == "RejectedError"
    assert (office.ledger.outcome("one"), office.ledger.outcome("two")) == ("discarded", "failed")


def test_what_sqs_itself_moved_is_discarded_in_the_ledger_too(tmp_path: Path) -> None:
    office = Office()
    office.crash(CUSTOMER, "one")
    done = office.discard(tmp_path / "copy.jsonl", of_reason("MovedBySqs"))
    assert (done.discarded, done.unnoted, office.ledger.outcome("one")) == (1, 0, "discarded")


def test_of_how_many_the_ledger_does_not_say_that_they_were_discarded_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office()
    for key in ("one", "two", "three"):
        office.fail(CUSTOMER, key)
    office.ledger.record_ignored("one", NO_FACTS, "got on")
    del office.ledger.table.items["two"]
    copy = tmp_path / "copy.jsonl"
    done = office.discard(copy)
    assert (done.discarded, done.unnoted) == (3, 2)
    _say_discarded(office.job(), done, Copy(copy), [])
    assert "of 2 of them the ledger does not say so: they got on all the same, or" in capsys.readouterr().out


def test_what_fails_while_the_question_waits_for_its_answer_is_not_discarded(tmp_path: Path) -> None:
    office = Office()
    office.fail(CUSTOMER, "asked-about")
    selection = Selection(reason="RejectedError", planned_at=NOON)
    office.clock.time += 600
    for n in range(40):
        office.fail(customer(n), f"t{n}")
    done = office.discard(tmp_path / "copy.jsonl", selection)
    assert (done.discarded, len(done.later), len(done.left)) == (1, 40, 0)
    assert len(office.failed) == office.visible() == 40


def test_the_copy_is_on_the_disk_before_anything_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office, happened = Office(), list[str]()
    office.fail(CUSTOMER, "one")
    really = os.fsync
    copy = tmp_path / "copy.jsonl"

    def fsync(file: int) -> None:
        really(file)
        happened.append("folder" if stat.S_ISDIR(os.fstat(file).st_mode) else f"file {len(copy.read_text()) > 0}")

    monkeypatch.setattr(os, "fsync", fsync)
    delete = office.sqs.delete_message_batch

    def deleting(**request: Any) -> Any:
        happened.append("deleted")
        return delete(**request)

    office.sqs.delete_message_batch = deleting
    office.discard(copy)
    assert happened == ["folder", "file True", "deleted"]


def test_the_copy_is_for_its_owners_eyes_and_never_overwrites_a_file(tmp_path: Path) -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    copy = tmp_path / "copy.jsonl"
    copy.write_text("mine")
    with pytest.raises(TargetError, match="is there already: name another file with --copy"):
        office.discard(copy)
    assert copy.read_text() == "mine" and len(office.failed) == 1
    office.discard(tmp_path / "other.jsonl")
    assert stat.S_IMODE((tmp_path / "other.jsonl").stat().st_mode) == 0o600


def test_a_file_that_comes_up_meanwhile_or_a_full_disk_stops_the_discarding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    with Copy(tmp_path / "copy.jsonl") as kept:
        (tmp_path / "copy.jsonl").write_text("mine")
        with pytest.raises(TargetError, match="cannot be written: File exists; nothing more was discarded"):
            kept.keep([{}])

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TargetError, match="No space left"):
        office.discard(tmp_path / "other.jsonl")
    assert len(office.failed) == office.visible() == 1


def test_nothing_to_discard_leaves_no_file(tmp_path: Path) -> None:
    office = Office()
    office.fail(CUSTOMER, "one", error=MalformedNotificationError("odd"))
    assert office.discard(tmp_path / "copy.jsonl").discarded == 0
    assert not (tmp_path / "copy.jsonl").exists()


def test_what_was_copied_and_could_not_be_deleted_is_said(tmp_path: Path) -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    office.sqs.undeletable = {office.failed.messages()[0].body}
    done = office.discard(tmp_path / "copy.jsonl")
    assert (done.discarded, done.undeleted) == (0, 1)


# --- undelivered ------------------------------------------------------------------------------------------

EVENTS = Path(__file__).parents[2] / "events" / "undelivered"


class Standard:
    """A standard queue: messages in no order that counts, each hidden when it is received; some cannot be deleted."""

    def __init__(self, *bodies: str, clock: FakeClock | None = None) -> None:
        self.messages = {f"m{n}": body for n, body in enumerate(bodies)}
        self.undeletable: set[str] = set()
        self._clock, self._hidden_until = clock or FakeClock(), dict[str, float]()

    @property
    def hidden(self) -> set[str]:
        return {one for one in self.messages if self._hidden_until.get(one, 0) > self._clock.time}

    def receive_message(self, *, VisibilityTimeout: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        hidden = self.hidden
        seen = [one for one in reversed(self.messages) if one not in hidden][:10]
        self._hidden_until |= dict.fromkeys(seen, self._clock.time + VisibilityTimeout)
        return {
            "Messages": [
                {
                    "MessageId": one,
                    "ReceiptHandle": one,
                    "Body": self.messages[one],
                    "Attributes": {"SentTimestamp": str(int(NOON.timestamp() * 1000))},
                }
                for one in seen
            ]
        }

    def delete_message_batch(self, *, Entries: list[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        left = [entry for entry in Entries if entry["ReceiptHandle"] in self.undeletable]
        for entry in Entries:
            if entry not in left:
                del self.messages[entry["ReceiptHandle"]]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in left]}

    def change_message_visibility_batch(self, *, Entries: list[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self._hidden_until[entry["ReceiptHandle"]] = self._clock.time + entry["VisibilityTimeout"]
        return {}


class Functions:
    """Lambda: what was invoked, and with what; `answer` is what a function answers, None where all is well."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], object] = lambda _: None) -> None:
        self.given: list[tuple[str, Any]] = []
        self._answer = answer

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert InvocationType == "RequestResponse"
        event = json.loads(Payload)
        self.given.append((FunctionName, event))
        said = self._answer(event)
        return {"Payload": io.BytesIO(json.dumps(said).encode())} | ({"FunctionError": "Unhandled"} if said else {})


def sns_shape(
    message: str, *, at: int = 0, topic: str = "arn:aws:sns:us-east-1:111122223333:inbound", **sns: Any
) -> str:
    when = (NOON + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
    said = {"Type": "Notification", "MessageId": f"sns-{at}", "TopicArn": topic, "Message": message, "Timestamp": when}
    return json.dumps(said | sns)


def envelope(event: object, function: str = "intake") -> str:
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{function}:$LATEST"
    context = {"functionArn": arn, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    return json.dumps({"version": "1.0", "requestContext": context, "requestPayload": event})


def hand_over(
    queue: Standard | Slow | Overlooking,
    functions: Functions,
    selection: Selection | None = None,
    clock: FakeClock | None = None,
) -> Handed:
    return HandOver(
        sqs=queue,
        functions=functions,
        outputs=OUTPUTS,
        selection=selection or Selection(),
        clock=(clock or FakeClock()).as_clock(),
    ).run()


def messages_of(functions: Functions) -> list[str]:
    return [event["Records"][0]["Sns"]["Message"] for _, event in functions.given]


def test_both_shapes_are_handed_to_intake_as_sns_would_have() -> None:
    bodies = [path.read_text() for path in sorted(EVENTS.glob("*.json"))]
    queue, functions = Standard(*bodies), Functions()
    assert hand_over(queue, functions).handed == 2
    assert queue.messages == {}
    assert [name for name, _ in functions.given] == ["intake", "intake"]
    for _, event in functions.given:
        (one,) = event["Records"]
        assert one["EventSource"] == "aws:sns"
        assert sms_event.parse(SnsNotification.from_record(one)).required().destination_number == OURS
    assert functions.given[1][1] == json.loads(bodies[0])["requestPayload"], "SNS's was published before"


def test_what_is_handed_over_is_in_the_order_in_which_it_was_published() -> None:
    queue = Standard(*(sns_shape(json.dumps(payload(str(at))), at=at) for at in (5, 3, 9, 1, 7)))
    functions = Functions()
    hand_over(queue, functions)
    assert [json.loads(message)["messageBody"] for message in messages_of(functions)] == list("13579")


def test_what_was_streamed_of_a_chat_goes_to_reply_intake_whichever_shape_it_has() -> None:
    streaming = OUTPUTS["StreamingTopicArn"]
    queue = Standard(
        sns_shape(json.dumps(item("hi")), topic=streaming),
        envelope({"Records": [streamed(item("ho"))]}, function="reply-intake"),
    )
    functions = Functions()
    assert hand_over(queue, functions).handed == 2
    assert [name for name, _ in functions.given] == ["reply-intake", "reply-intake"]


def test_what_its_function_cannot_take_stays_with_what_is_wrong_and_is_seen_by_others_at_once() -> None:
    queue = Standard(sns_shape("1", at=1), sns_shape("2", at=2), sns_shape("3", at=3))
    trouble = {
        "1": {"errorType": "QueueError", "errorMessage": "no queue"},
        "3": {"errorType": "KeyError", "errorMessage": "words"},
    }
    functions = Functions(lambda event: trouble.get(event["Records"][0]["Sns"]["Message"]))
    done = hand_over(queue, functions)
    assert (done.handed, dict(done.refused)) == (1, {"QueueError: no queue": 1, "KeyError": 1})
    assert len(queue.messages) == 2 and queue.hidden & queue.messages.keys() == set()


def test_what_is_no_event_of_sns_is_left_and_said() -> None:
    queue, functions = Standard(envelope({"no": "SNS"}), "no JSON", envelope({"Records": [{}]})), Functions()
    done = hand_over(queue, functions)
    assert (done.handed, done.refused.total(), functions.given) == (0, 3, [])
    assert len(queue.messages) == 3


def test_only_what_is_meant_is_handed_over() -> None:
    queue = Standard(
        sns_shape(json.dumps(payload("a", inboundMessageId="one"))),
        sns_shape(json.dumps(payload("b", originationNumber=OTHER_CUSTOMER))),
        envelope({"Records": [record(payload("c"))]}),
    )
    for selection, said in (
        (only("one"), "a"),
        (Selection(number=OTHER_CUSTOMER), "b"),
        (of_reason("NotTaken"), "c"),
    ):
        functions = Functions()
        assert hand_over(queue, functions, selection).handed == 1
        assert json.loads(messages_of(functions)[0])["messageBody"] == said
    assert queue.messages == {}


def test_what_takes_long_is_received_anew_before_others_see_it() -> None:
    clock = FakeClock()
    queue = Standard(*(sns_shape(str(n), at=n) for n in range(30)), clock=clock)
    functions = Functions(lambda _: clock.sleep(25))
    assert hand_over(queue, functions, clock=clock).handed == 30
    assert messages_of(functions) == [str(n) for n in range(30)]


def test_what_is_handed_over_is_hidden_from_others_however_long_it_takes_to_receive_all() -> None:
    clock = FakeClock()
    queue = Standard(*(sns_shape(str(n), at=n) for n in range(3500)), clock=clock)
    seen_by_others: list[int] = []
    functions = Functions(lambda _: seen_by_others.append(len(queue.messages.keys() - queue.hidden)))
    assert hand_over(Slow(queue, clock, most=9000), functions, clock=clock).handed == 3500
    assert len(queue.messages) == 0 and seen_by_others[0] == 3500 - 600, "no more than a minute's receives are in hand"


def test_more_than_is_taken_in_hand_at_once_is_looked_at_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "_IN_HAND", 100)
    clock, functions = FakeClock(), Functions()
    texts = [payload(str(n), originationNumber=CUSTOMER if n < 3 else OTHER_CUSTOMER) for n in range(400)]
    queue = Standard(*(sns_shape(json.dumps(text), at=n) for n, text in enumerate(texts)), clock=clock)
    done = hand_over(Slow(queue, clock, most=300), functions, Selection(number=CUSTOMER), clock)
    assert [json.loads(message)["messageBody"] for message in messages_of(functions)] == ["0", "1", "2"]
    assert (done.handed, len(done.left), len(queue.messages), queue.hidden) == (3, 397, 397, set())


def test_what_the_function_took_and_could_not_be_deleted_is_said_and_not_handed_over_twice() -> None:
    office, functions = Office(), Functions()
    queue = Standard(sns_shape("1", at=1), sns_shape("2", at=2))
    queue.undeletable = {"m0"}
    done = hand_over(queue, functions)
    assert (done.handed, done.undeleted, len(functions.given)) == (2, {"m0"}, 2)
    office.sqs = Both(office.sqs, queue)
    run = Run(office.job())
    run.run()
    assert run.trouble() == ["1 handed over and still in undelivered"]


def test_undelivered_that_takes_longer_than_it_is_hidden_is_discarded_to_the_end(tmp_path: Path) -> None:
    office = Office()
    bodies = [sns_shape("1", at=1) if n else envelope({"no": "SNS"}) for n in range(4000)]
    queue = Standard(*bodies, clock=office.clock)
    office.sqs = Both(office.sqs, Slow(queue, office.clock, most=2000))
    done = office.discard(tmp_path / "copy.jsonl", of_reason("NotTaken"))
    assert (done.discarded, len(done.left), queue.hidden) == (1, 3999, set())


@pytest.mark.parametrize("times", [1, 2])
def test_undelivered_is_read_to_the_end_though_receives_answer_empty(tmp_path: Path, times: int) -> None:
    bodies = [sns_shape(str(n), at=n) for n in range(25)]
    queue, functions = Standard(*bodies), Functions()
    assert hand_over(Overlooking(queue, times=times), functions).handed == 25
    assert messages_of(functions) == [str(n) for n in range(25)], "all of it was received before any was handed over"
    office, queue = Office(), Standard(*bodies)
    office.sqs = Both(office.sqs, Overlooking(queue, times=times))
    assert office.discard(tmp_path / "copy.jsonl", of_reason("NotHandedOver")).discarded == 25


@pytest.mark.parametrize("times", [1, 2])
def test_failed_is_discarded_to_the_end_though_receives_answer_empty(tmp_path: Path, times: int) -> None:
    office = Office()
    for n in range(25):
        office.fail(CUSTOMER, f"t{n}")
    office.sqs = Overlooking(office.sqs, times=times)
    assert office.discard(tmp_path / "copy.jsonl").discarded == 25 and len(office.failed) == 0


def test_undelivered_is_discarded_with_a_copy_too(tmp_path: Path) -> None:
    office = Office()
    queue = Standard(sns_shape("1", at=1), envelope({"no": "SNS"}))
    office.sqs = Both(office.sqs, queue)
    done = office.discard(tmp_path / "copy.jsonl", of_reason("NotTaken"))
    assert (done.discarded, len(queue.messages)) == (1, 1) and not queue.hidden & queue.messages.keys()
    (line,) = (tmp_path / "copy.jsonl").read_text().splitlines()
    assert json.loads(line)["queue"] == "undelivered"


def test_what_comes_to_undelivered_after_a_run_was_planned_is_left(tmp_path: Path) -> None:
    office, functions = Office(), Functions()
    queue = Standard(sns_shape("1", at=1))
    before = Selection(planned_at=NOON - timedelta(minutes=1))
    assert len(hand_over(queue, functions, before).later) == 1 and functions.given == []
    office.sqs = Both(office.sqs, queue)
    assert len(office.discard(tmp_path / "copy.jsonl", before).later) == 1
    assert len(queue.messages) == 1 and not queue.hidden


class Both:
    """One client for the FIFO queues and a standard one, which has no count of its own."""

    def __init__(self, fifo: object, standard: object) -> None:
        self._fifo, self._standard = fifo, standard

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            standard = request["QueueUrl"] == "undelivered" and name != "get_queue_attributes"
            return getattr(self._standard if standard else self._fifo, name)(**request)

        return call


# --- what is meant ----------------------------------------------------------------------------------------


def failed_item(seconds: int, key: str = "one", **attributes: Any) -> Any:
    said = {"failed_at": seconds, "failed_error": "RejectedError", "conversation": conversation_id(CUSTOMER, OURS)}
    return ledger_item(text_key=key, outcome="failed", ours=OURS, **said | attributes)


@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        (Filters(), True),
        (Filters(reason="RejectedError"), True),
        (Filters(reason="UnknownNumberError"), False),
        (Filters(number=CUSTOMER), True),
        (Filters(number=f" {CUSTOMER} "), True),
        (Filters(number=OURS), True),
        (Filters(number=OTHER_CUSTOMER), False),
        (Filters(older="1h"), True),
        (Filters(older="3h"), False),
        (Filters(newer="3h"), True),
        (Filters(newer="90m"), False),
        (Filters(reason="RejectedError", newer="90m"), False),
    ],
)
def test_the_ledger_and_the_queue_agree_on_what_is_meant(filters: Filters, meant: bool) -> None:
    """Both failed two hours ago."""
    selection = Selection.of(filters, now=NOON + timedelta(hours=2))
    office = Office()
    office.fail(CUSTOMER, "one")
    (message,) = office.failed.receive()
    assert selection.has_item(failed_item(0)) == meant
    assert selection.has(Letter.from_message(received(message))) == meant


def test_a_text_is_meant_by_its_key_or_by_the_id_of_sns() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    letter = Letter.from_message(received(office.failed.receive()[0]))
    for an_id, meant in (("one", True), ("sns-one", True), (letter.message_id, True), ("on", False)):
        assert only(an_id).has(letter) == meant


def test_a_reply_is_of_the_phone_that_its_chat_is_with() -> None:
    party = Participants(customer_number=CUSTOMER, business_number=OURS, business_number_arn="arn")
    selection = Selection(number=CUSTOMER, party_of={CHAT: party}.get)
    office = Office()
    office.put(json.dumps(streamed(item("hi", Id="one"))), "reply-one", CHAT, RejectedError("400"), "reply")
    letter = Letter.from_message(received(office.failed.receive()[0]), replies=OUTPUTS["RepliesQueueUrl"])
    assert letter.contact == CHAT and selection.has(letter)
    assert selection.has_item(failed_item(0, stage="reply", conversation=CHAT))
    assert not Selection(number=OTHER_CUSTOMER, party_of={CHAT: party}.get).has(letter)


def test_every_error_that_a_text_can_fail_with_has_advice_and_can_be_asked_for() -> None:
    def leaves(kind: type[BridgeError]) -> set[str]:
        below = {name for one in kind.__subclasses__() for name in leaves(one)}
        return below or {kind.__name__}

    assert ADVICE.keys() == leaves(errors.BridgeError) | {"MovedBySqs", "NotHandedOver", "NotTaken"} == {*reasons()}


# --- what is listed ---------------------------------------------------------------------------------------

AFTER = NOON + timedelta(hours=1)


def test_what_would_overtake_and_what_cannot_be_reached_is_counted() -> None:
    items = [
        *(failed_item(n, f"a{n}", failed_error="RejectedError" if n else "LedgerError") for n in range(3)),
        *(failed_item(n, f"b{n}", conversation="b", failed_error="LedgerError") for n in range(10)),
        failed_item(99, "b10", conversation="b"),
    ]
    failed = Failed.of(items, of_reason("RejectedError"), now=AFTER)
    assert [item.text_key for item in failed.selected] == ["a1", "a2", "b10"]
    assert (failed.all, failed.conversations, failed.overtaking, failed.unreachable) == (14, 2, 2, 1)


def test_what_failed_longer_ago_than_sqs_keeps_it_is_gone() -> None:
    failed = Failed.of(
        [failed_item(0, "old"), failed_item(20 * 86400, "new")], Selection(), now=AFTER + timedelta(days=15)
    )
    assert (failed.gone, failed.in_queue) == (1, {"new"})
    assert "1 failed more than 14 days ago: SQS has let go of them" in [*summed_up(failed, Selection())]


def test_errors_are_summed_up_with_the_reason_of_the_last() -> None:
    items = [
        failed_item(0, "one", failed_reason="first"),
        failed_item(1, "two", failed_reason="last"),
        failed_item(2, "three", failed_error="LedgerError", failed_reason="no"),
    ]
    failed = Failed.of(items, Selection(), now=AFTER)
    assert [*summed_up(failed, Selection())] == ["2 RejectedError, the last: last", "1 LedgerError: no"]
    none = Failed.of(items, of_reason("QueueError"), now=AFTER)
    assert [*summed_up(none, of_reason("QueueError"))] == ["none of the 3 texts in failed is meant by these options"]


@pytest.mark.parametrize(
    ("known", "in_failed", "undelivered", "said"),
    [
        (0, Counts(0, 0), Counts(0, 0), ["nothing in failed", "nothing in undelivered"]),
        (2, Counts(2, 0), Counts(1, 0), ["about 1 in undelivered"]),
        (
            1,
            Counts(3, 0),
            Counts(0, 0),
            ["about 2 more in the queue that the ledger does not", "nothing in undelivered"],
        ),
        (1, Counts(0, 0), Counts(0, 0), ["about 1 fewer in the queue by SQS's count", "nothing in undelivered"]),
        (1, Counts(0, 1), Counts(0, 2), ["about 1 of the queue are hidden", "about 2 in undelivered"]),
    ],
)
def test_what_the_queues_hold_is_compared_with_what_the_ledger_says(
    known: int, in_failed: Counts, undelivered: Counts, said: list[str]
) -> None:
    failed = Failed.of([failed_item(n, f"t{n}") for n in range(known)], Selection(), now=AFTER)
    lines = [*compared(failed, in_failed, undelivered)]
    assert len(lines) == len(said)
    for line, beginning in zip(lines, said, strict=True):
        assert line.startswith(beginning)


def test_times_of_entries_are_in_utc() -> None:
    office = Office()
    office.fail(CUSTOMER, "one")
    assert Letter.from_message(received(office.failed.receive()[0])).failed_at == NOON
    parcel = Parcel.from_message(
        {"MessageId": "m", "ReceiptHandle": "r", "Body": "x", "Attributes": {"SentTimestamp": "0"}}, outputs=OUTPUTS
    )
    assert parcel.sent_at == datetime(1970, 1, 1, tzinfo=UTC)
