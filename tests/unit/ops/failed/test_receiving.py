"""Reading failed to its end: what stays, what is hidden and for how long, and when a run ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.aws.queues import DeadLetterQueue
from bridge.errors import MalformedNotificationError, RejectedError
from ops.failed import redrive
from ops.failed.commands import RedriveRun, print_redriven
from ops.failed.queue import FAILED_VISIBILITY, LONGEST_VISIBILITY, Counts
from ops.failed.selection import Selection
from testing.builders import CUSTOMER, OTHER_CUSTOMER, payload, record
from testing.clock import NOON
from testing.dead_letters import (
    EmptyReceives,
    KilledClient,
    KilledError,
    Queues,
    SlowClient,
    customer,
    key_of,
    of_reason,
    only,
)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("nth", range(1, 16))
def test_a_run_killed_at_any_call_and_repeated_loses_and_repeats_nothing(nth: int, done: bool) -> None:
    queues = Queues()
    keys = [(customer(c), f"{c}-{n}") for n in range(6) for c in range(4)]
    for who, key in keys:
        queues.fail(who, key)
    with pytest.raises(KilledError):
        queues.redrive(sqs=KilledClient(queues.sqs, nth=nth, done=done))
    everything = queues.keys(queues.failed) + queues.keys(queues.conversations)
    assert set(everything) == {key for _, key in keys}, "lost"
    before = queues.clock.time
    queues.redrive()
    assert queues.clock.time - before <= FAILED_VISIBILITY, "what the killed run hid is waited for, and no longer"
    assert len(queues.failed) == 0
    assert sorted(queues.keys(queues.conversations)) == sorted(key for _, key in keys), "twice"
    for c in range(4):
        assert queues.keys(queues.conversations, customer(c)) == [f"{c}-{n}" for n in range(6)]


@pytest.mark.parametrize("times", [1, 2])
def test_failed_is_redriven_to_the_end_though_receives_answer_empty(times: int) -> None:
    queues = Queues()
    for n in range(25):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            queues.fail(who, f"{who[-4:]}-{n}")
    before = queues.clock.time
    assert queues.redrive(sqs=EmptyReceives(queues.sqs, times=times)).put_back == 50
    assert len(queues.failed) == 0 and queues.clock.time == before
    for who in (CUSTOMER, OTHER_CUSTOMER):
        assert queues.keys(queues.conversations, who) == [f"{who[-4:]}-{n}" for n in range(25)]


def test_a_round_goes_on_receiving_after_an_empty_receive() -> None:
    """Each text that intake could not read has a group of its own, so only those of one round can be sorted."""
    queues = Queues()
    for n, at in enumerate((5, 3, 9, 1)):
        body = json.dumps(record(payload(str(n), inboundMessageId=f"k{at}"), Timestamp=f"2026-10-01T12:00:0{at}Z"))
        queues.put(body, f"k{at}", f"k{at}", MalformedNotificationError("odd"), "intake")

    class OneByOne:
        def __getattr__(self, name: str) -> Any:
            def call(**request: Any) -> Any:
                return getattr(queues.sqs, name)(**request | ({"MaxNumberOfMessages": 1} if "receive" in name else {}))

            return call

    queues.redrive(sqs=EmptyReceives(OneByOne(), times=2))
    assert queues.keys(queues.conversations) == ["k1", "k3", "k5", "k9"]


def test_one_module_of_ops_reads_a_queue_to_its_end() -> None:
    ops = Path(redrive.__file__).parent.parent
    receiving = {str(path.relative_to(ops)) for path in ops.rglob("*.py") if ".receive_message(" in path.read_text()}
    assert receiving == {"failed/queue.py", "replay/command.py"}, "replay looks at what comes and concludes nothing"


def test_three_receives_in_a_row_that_bring_nothing_are_the_end() -> None:
    queues, asked = Queues(), list[int]()
    receive = queues.sqs.receive_message

    def counting(**request: Any) -> Any:
        asked.append(request["WaitTimeSeconds"])
        return receive(**request)

    queues.sqs.receive_message = counting
    queues.redrive()
    assert asked == [1, 1, 1], "each waits, and there is no fourth"


def test_a_run_that_is_killed_is_not_waited_for_when_nothing_is_hidden() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    before = queues.clock.time
    queues.redrive()
    assert queues.clock.time == before


def test_messages_that_another_run_hides_are_reported_without_a_ledger_failure() -> None:
    """SQS itself moved the message there. What this run left is not counted."""
    queues = Queues()
    queues.crash(CUSTOMER, "moved")
    queues.failed.receive(visibility=LONGEST_VISIBILITY)
    queues.fail(OTHER_CUSTOMER, "other")
    done = queues.redrive(of_reason("MovedBySqs"))
    assert (done.put_back, done.hidden, len(done.left)) == (0, 1, 1)
    (said,) = queues.plan().not_found(done.seen, hidden_in_failed=done.hidden)
    assert said == (
        "about 1 in failed was hidden by another run, or by one that was killed: run it again in 10 minutes"
    )
    queues.clock.time += LONGEST_VISIBILITY
    again = queues.redrive(of_reason("MovedBySqs"))
    assert (again.put_back, again.hidden) == (1, 0)


def test_a_discard_reports_what_another_run_hides(tmp_path: Path) -> None:
    queues = Queues()
    queues.crash(CUSTOMER, "moved")
    queues.failed.receive(visibility=LONGEST_VISIBILITY)
    assert queues.discard(tmp_path / "copy.jsonl", of_reason("MovedBySqs")).hidden == 1


def test_what_is_not_selected_stays_in_failed_and_is_visible_at_once() -> None:
    queues = Queues()
    for n in range(30):
        who = CUSTOMER if n % 2 else OTHER_CUSTOMER
        queues.fail(who, f"t{n}", error=RejectedError("400") if n % 3 else MalformedNotificationError("odd"))
    stay = [f"t{n}" for n in range(30) if n % 3]
    done = queues.redrive(of_reason("MalformedNotificationError"))
    assert (done.put_back, len(done.left)) == (10, 20)
    assert queues.keys(queues.failed) == stay and queues.visible() == 20
    assert queues.keys(queues.conversations, CUSTOMER) == [f"t{n}" for n in range(0, 30, 3) if n % 2]


def test_a_message_behind_ten_unselected_ones_stays_and_the_run_ends() -> None:
    queues = Queues()
    for n in range(11):
        queues.fail(CUSTOMER, f"a{n}")
    queues.fail(OTHER_CUSTOMER, "b0")
    done = queues.redrive(only("a10", "b0"))
    assert (done.put_back, "a10" in done.seen, "b0" in done.seen) == (1, False, True)
    assert len(queues.failed) == queues.visible() == 11


def test_a_run_for_single_texts_ends_when_it_has_found_them() -> None:
    queues = Queues()
    for n in range(300):
        queues.fail(customer(n), f"t{n}")
    queues.redrive(only("t0", "sns-t1"))
    assert queues.keys(queues.conversations) == ["t0", "t1"]
    assert queues.sqs.calls.count("send_message_batch") == 1
    assert len(queues.failed) == queues.visible() == 298
    assert max(message.receives for message in queues.failed.messages()[150:]) == 0


def test_a_run_longer_than_the_visibility_timeout_reaches_the_last_message() -> None:
    queues = Queues()
    for n in range(2000):
        queues.fail(customer(n), f"t{n}")
    queues.fail(customer(2000), "last", error=MalformedNotificationError("odd"))
    done = queues.redrive(of_reason("MalformedNotificationError"), sqs=SlowClient(queues.sqs, queues.clock, most=2000))
    assert queues.keys(queues.conversations) == ["last"]
    assert len(done.left) == queues.visible() == 2000
    assert max(message.receives for message in queues.failed.messages()) == 1, "nothing was handed out twice"


def test_a_run_that_is_killed_hides_what_it_left_for_minutes_only() -> None:
    queues = Queues()
    for n in range(500):
        queues.fail(customer(n), f"t{n}")
    killed = KilledClient(SlowClient(queues.sqs, queues.clock, most=200), nth=100, done=True)
    with pytest.raises(KilledError):
        queues.redrive(of_reason("MalformedNotificationError"), sqs=killed)
    assert 0 < queues.visible() < 500
    queues.clock.time += LONGEST_VISIBILITY
    assert queues.visible() == 500


class FailingAgain:
    """A client of SQS; forward fails each message that is put back before the next call."""

    def __init__(self, queues: Queues, sqs: object) -> None:
        self._queues, self._of, self._failed = queues, sqs, set[str]()

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            answer = getattr(self._of, name)(**request)
            if name == "delete_message_batch":
                self._fail()
            return answer

        return call

    def _fail(self) -> None:
        queues = self._queues
        for message in queues.conversations.messages():
            if message.message_id not in self._failed:
                self._failed.add(message.message_id)
                queue = DeadLetterQueue(client=queues.sqs, url="failed", stage="forward", now=queues.clock.now)
                queue.send(
                    message.body,
                    RejectedError("again"),
                    group_id=message.group,
                    deduplication_id=message.message_id,
                    key=key_of(message),
                    message_id=message.message_id,
                )


def test_what_fails_again_meanwhile_stays_in_failed() -> None:
    queues = Queues()
    for n in range(3):
        queues.fail(CUSTOMER, f"a{n}")
    done = queues.redrive(sqs=FailingAgain(queues, queues.sqs))
    assert (done.put_back, len(done.failed_again)) == (3, 3)
    assert queues.keys(queues.failed) == ["a0", "a1", "a2"] and queues.visible() == 3


def test_a_long_run_ends_though_all_that_it_puts_back_fails_again() -> None:
    queues = Queues()
    for n in range(300):
        queues.fail(customer(n), f"t{n}")
    done = queues.redrive(sqs=FailingAgain(queues, SlowClient(queues.sqs, queues.clock, most=600)))
    assert (done.put_back, len(done.failed_again)) == (300, 300)
    assert len(queues.failed) == queues.visible() == 300


def test_what_arrives_after_a_run_was_planned_is_left_so_that_the_run_ends() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "meant")
    selection = Selection(reason="RejectedError", planned_at=NOON)

    class Feeding(SlowClient):
        """A new message fails before each receive."""

        def __getattr__(self, name: str) -> Any:
            if name == "receive_message":
                queues.clock.time += 5
                queues.fail(customer(len(queues.failed)), f"t{queues.clock.time}")
            return super().__getattr__(name)

    done = queues.redrive(selection, sqs=Feeding(queues.sqs, queues.clock, most=50))
    assert queues.keys(queues.conversations) == ["meant"] and (done.put_back, len(done.left)) == (1, 0)
    assert done.later and len(queues.failed) == queues.visible()


def test_a_run_for_a_single_text_ends_where_that_one_came_later() -> None:
    queues = Queues()
    queues.clock.time += 10
    for n in range(300):
        queues.fail(customer(n), f"t{n}")
    done = queues.redrive(Selection(ids=frozenset({"t0"}), planned_at=NOON))
    assert (done.put_back, len(done.later)) == (0, 1) and "t0" in done.seen
    assert max(message.receives for message in queues.failed.messages()[150:]) == 0


def test_a_run_is_planned_by_the_clock_of_sqs_give_or_take_two_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "before")
    plan = queues.plan()
    assert plan.selection.planned_at == NOON
    for seconds, key in ((1, "at-once"), (60, "later")):
        queues.clock.time += seconds
        queues.fail(OTHER_CUSTOMER, key)
    run = RedriveRun(plan)
    run.run()
    print_redriven(plan, run, run.problems())
    assert queues.keys(queues.conversations) == ["before", "at-once"] and queues.keys(queues.failed) == ["later"]
    said = capsys.readouterr()
    assert said.out == (
        "2 texts put back on their queues\n1 came after this was begun, and was left: run it again for them\n"
    )
    assert said.err == ""


def test_without_a_date_from_sqs_the_operators_clock_is_used() -> None:
    class Silent:
        def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
            return {"Attributes": {"ApproximateNumberOfMessages": "3"}}

    before = datetime.now(UTC)
    found = Counts.of(Silent(), "failed")
    assert (found.visible, found.hidden) == (3, 0) and before <= found.at <= datetime.now(UTC)
