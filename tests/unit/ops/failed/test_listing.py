"""`bridge failed list`: what is counted, and how the ledger is compared with the queues."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ops.failed.listing import ADVICE, Failed, compared, summed_up
from ops.failed.queue import Counts
from ops.failed.selection import Selection
from testing.account import Account, refusal
from testing.clock import NOON
from testing.dead_letters import (
    failed_record,
    of_reason,
)
from testing.scenarios import batch, text

AFTER = NOON + timedelta(hours=1)


def test_what_would_overtake_and_what_cannot_be_reached_is_counted() -> None:
    items = [
        *(failed_record(n, f"a{n}", failed_error="RejectedError" if n else "LedgerError") for n in range(3)),
        *(failed_record(n, f"b{n}", conversation="b", failed_error="LedgerError") for n in range(10)),
        failed_record(99, "b10", conversation="b"),
    ]
    failed = Failed.of(items, of_reason("RejectedError"), now=AFTER)
    assert [item.text_key for item in failed.selected] == ["a1", "a2", "b10"]
    assert (failed.all, failed.conversations, failed.overtaking, failed.unreachable) == (14, 2, 2, 1)


def test_what_failed_longer_ago_than_sqs_keeps_it_is_gone() -> None:
    failed = Failed.of(
        [failed_record(0, "old"), failed_record(20 * 86400, "new")], Selection(), now=AFTER + timedelta(days=15)
    )
    assert (failed.gone, failed.in_queue) == (1, {"new"})
    assert "1 failed more than 14 days ago: SQS no longer has them" in [*summed_up(failed, Selection())]


def test_errors_are_summed_up_with_the_reason_of_the_last() -> None:
    items = [
        failed_record(0, "one", failed_reason="first"),
        failed_record(1, "two", failed_reason="last"),
        failed_record(2, "three", failed_error="LedgerError", failed_reason="no"),
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
    failed = Failed.of([failed_record(n, f"t{n}") for n in range(known)], Selection(), now=AFTER)
    lines = [*compared(failed, in_failed, undelivered)]
    assert len(lines) == len(said)
    for line, beginning in zip(lines, said, strict=True):
        assert line.startswith(beginning)


STACK = ("--stack", "SmsToConnect")


def test_a_failed_text_is_shown_with_advice_and_the_commands_for_it(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.call("forward", batch(text(key="text-one", business_number="+12125550199")))
    for an_id in ("text-one", "text-o"):
        assert account.command("failed", "show", an_id, *STACK) == 0
        first, *lines = capsys.readouterr().out.splitlines()
        assert first == "text text-one to …0199: failed"
        assert "".join(lines).count("in forward: bridge.toml has no") == 1
        assert " ".join(lines).replace("  ", " ").count(ADVICE["UnknownNumberError"][:30]) == 1
        assert lines[-2:] == [f"  bridge failed {one} text-one --stack SmsToConnect" for one in ("redrive", "discard")]


@pytest.mark.parametrize(
    ("reason", "said"), [(None, "forwarded"), (refusal("AccessDeniedException", 403), "on its way")]
)
def test_a_text_that_is_not_failed_is_shown_as_what_it_is(
    account: Account, capsys: pytest.CaptureFixture[str], reason: Exception | None, said: str
) -> None:
    account.always["SendChatIntegrationEvent"] = reason
    account.call("forward", batch(text(key="one")))
    assert account.command("failed", "show", "one", *STACK) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"text one to …0101: {said}\n")
    assert shown.endswith(f"\nIt is not in failed: it is {said}.\n")


def test_the_list_is_a_table_for_people_and_its_sums_go_to_stderr_for_programs(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.call("forward", batch(text(key="one", business_number="+12125550199")))
    assert account.command("failed", "list", *STACK) == 0
    shown = capsys.readouterr()
    assert "one" in shown.out and "1 UnknownNumberError: bridge.toml has no number" in shown.out and shown.err == ""
    assert "nothing in undelivered" in shown.out
    assert account.command("failed", "list", *STACK, "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["text_key"] == "one"
    assert (
        "bridge: 1 UnknownNumberError: bridge.toml has no number" in shown.err
        and "bridge: nothing in undelivered" in shown.err
    )
