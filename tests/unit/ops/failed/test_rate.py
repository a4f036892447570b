"""How fast a redrive sends, for how long messages are hidden meanwhile, and to which queue they return."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.failed.redrive import Redrive, RedriveResult
from ops.failed.selection import Selection
from testing.account import QUEUES, Account
from testing.builders import payload, record
from testing.chat_events import item
from testing.clock import FakeClock
from testing.ledger import TableLedger
from testing.models.fifo import Fifo
from testing.models.sqs import SqsClient
from testing.scenarios import batch, by_chat, reply_record


class RecordingClient:
    """A client of SQS whose calls take `seconds` each, the second batch that is sent `stall` more.

    `batches` are the times and sizes of what was sent, `timeouts` the visibility timeouts of the receives.
    """

    def __init__(self, of: Any, clock: FakeClock, seconds: float, stall: float) -> None:
        self._of, self._clock, self._seconds, self._stall = of, clock, seconds, stall
        self.batches: list[tuple[float, int]] = []
        self.timeouts: list[int] = []

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._clock.time += self._seconds
            if name == "send_message_batch":
                self.batches.append((self._clock.time, len(request["Entries"])))
                self._clock.time += self._stall if len(self.batches) == 2 else 0
            if name == "receive_message":
                self.timeouts.append(request["VisibilityTimeout"])
            return getattr(self._of, name)(**request)

        return call


def redriven(
    rate: float | None, *, count: int, seconds: float = 0.0, stall: float = 0.0, groups: int = 1000
) -> tuple[RedriveResult, RecordingClient]:
    """Redrive `count` texts of at most `groups` conversations."""
    clock = FakeClock()
    clock.time = 1_800_000_000.0
    failed = Fifo(now=clock.now, visibility=30, name="failed")
    source = Fifo(now=clock.now, visibility=180, name="conversations")
    for number in range(count):
        body = json.dumps(
            record(payload(originationNumber=f"+1425555{number % groups:04}", inboundMessageId=f"t{number}"))
        )
        failed.send(body, group=f"g{number % groups}", deduplication_id=f"t{number}")
    sqs = RecordingClient(SqsClient({"failed": failed, "conversations": source}), clock, seconds, stall)
    done = Redrive(
        sqs=sqs,
        outputs={"FailedQueueUrl": "failed", "ConversationsQueueUrl": "conversations"},
        ledger=TableLedger().operators,
        selection=Selection(),
        rate=rate,
        clock=clock.as_clock(),
    ).run()
    assert len(source) == count, "each is put back, and once"
    return done, sqs


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.5, 7.0, 25.0])
def test_no_second_of_a_redrive_has_more_than_its_rate(rate: float) -> None:
    """At a rate below 1 a batch has one message, else at most ten."""
    _, sqs = redriven(rate, count=60 if rate > 1 else 8)
    at_once = max(1, min(10, int(rate)))
    assert {count for _, count in sqs.batches[:-1]} == {at_once}
    for (before, sent), (after, _) in zip(sqs.batches, sqs.batches[1:], strict=False):
        assert after - before == pytest.approx(sent / rate, abs=0.01)


def test_a_redrive_that_had_to_wait_does_not_catch_up_in_a_burst() -> None:
    """The messages that were not sent during a slow call are not sent faster afterwards."""
    _, sqs = redriven(2.0, count=16, stall=9.0)
    gaps = [after - before for (before, _), (after, _) in zip(sqs.batches, sqs.batches[1:], strict=False)]
    assert gaps[1] == pytest.approx(9.0, abs=0.1)
    assert min(gaps) >= 0.99


def test_without_a_rate_ten_go_in_each_request_and_nothing_waits() -> None:
    _, sqs = redriven(None, count=40)
    assert [count for _, count in sqs.batches] == [10] * 4
    assert sqs.batches[-1][0] - sqs.batches[0][0] < 1


@pytest.mark.parametrize("rate", [0.1, 0.5, 3.0, 40.0, None])
def test_received_messages_are_put_back_before_they_become_visible_again(rate: float | None) -> None:
    """Otherwise its receipt handle would have expired, and it would be sent but stay in failed."""
    count = 12 if rate and rate < 1 else 250
    done, sqs = redriven(rate, count=count)
    assert (done.put_back, done.undeleted) == (count, set())
    timeout = 30 + (0 if rate is None else max(10, int(10 / rate)))
    assert set(sqs.timeouts) == {timeout}


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_conversation_is_put_back_in_time_and_in_order_at_a_slow_rate(seconds: float) -> None:
    done, _ = redriven(0.5, count=12, groups=1, seconds=seconds)
    assert (done.put_back, done.undeleted) == (12, set())


@pytest.mark.parametrize(
    ("function", "event", "source"),
    [
        ("reply_intake", lambda: batch(record("no JSON", TopicArn="arn:aws:sns:us-east-1:111122223333:x")), "replies"),
        ("reply", lambda: batch(reply_record(item(..., Id="said-1", Content=7))), "replies"),
        ("intake", lambda: batch(record("no JSON")), "conversations"),
        ("forward", lambda: batch(by_chat(7)), "conversations"),
    ],
)
def test_what_a_function_gave_up_goes_back_to_the_queue_of_its_direction(
    account: Account, capsys: pytest.CaptureFixture[str], function: str, event: Any, source: str
) -> None:
    account.call(function, event())
    assert len(account.queues["failed"]) == 1
    assert account.command("failed", "redrive", "--stack", "SmsToConnect", "--json") == 0
    assert json.loads(capsys.readouterr().out)["put_back"] == 1
    assert {name: len(queue) for name, queue in account.queues.items() if len(queue)} == {source: 1}
    assert [request["QueueUrl"] for request in account.of("SendMessageBatch")] == [QUEUES[source]]
    assert account.problems == []
