"""Report of a run: its plan, a table of 80 columns, and histories of texts for which a promise was broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from testing.faults.accounting import CHAT_ENDED, KILLED, LOST_ANSWER, UNEXPLAINED, UNWRITTEN, Verdict
from testing.faults.plan import Plan
from testing.faults.run import Result

_HISTORIES = 3
_Row = tuple[str, Sequence[object]]


def heading(plan: Plan) -> str:
    processes = " + ".join(f"{number} {name}" for name, number in plan.processes.items())
    lines = [
        f"seed {plan.seed}: {plan.texts:,} texts in {plan.conversations:,} conversations, {plan.rate:g} a second;",
        f"delivery {plan.delivery}; processes: {processes};",
        f"Lambda's pauses between asynchronous tries are {plan.retry_speedup:g} times shorter than AWS's,",
        f"the queues forget deduplication ids after {plan.deduplication_window:g} s instead of 300 s",
    ]
    if not plan.starts_chats:
        lines[-1] += f"; the naive bridge\nhas {plan.naives} processes: what finds none "
        lines[-1] += "free waits in Lambda's queue, which\nspares it much of an outage"
    return "\n".join(lines)


def table(plan: Plan, results: Sequence[Result]) -> str:
    """Columns: with integration-event delivery the bridge and the naive bridge, with start-chat both directions."""
    bridge = results[0]
    if bridge.replies:
        columns, rows = ["texts", "replies"], [*_both_ways(bridge, bridge.replies[0]), *_of_the_run([bridge])]
    else:
        columns = ["the bridge" if result.name == "bridge" else "naive bridge" for result in results]
        rows = [*_beside(results), *_of_the_run(results)]
    shown = Table(title=f"seed {plan.seed}")
    shown.add_column("", no_wrap=True)
    for column in columns:
        shown.add_column(column, justify="right")
    for label, values in rows:
        shown.add_row(label, *(f"{value:,}" if isinstance(value, int) else str(value) for value in values))
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def broken(result: Result) -> str:
    """Broken promises with histories; empty if every promise was kept."""
    lines = [] if result.drained else ["NOT DRAINED: texts still wait"]
    ways = [("text", result.verdict, result.accounting)]
    if result.replies:
        ways.append(("reply", *result.replies))
    for what, verdict, accounting in ways:
        for promise, said in verdict.broken.items():
            lines.append(f"BROKEN: {promise}: {len(said)} ({what})")
            for one in said[:_HISTORIES]:
                lines += [f"  {what} {one.number} ({one.key})", *(f"    {line}" for line in accounting.history(one))]
    for promise, contacts in (result.chats.broken if result.chats else {}).items():
        lines.append(f"BROKEN: {promise}: {len(contacts)} ({', '.join(contacts[:_HISTORIES])})")
    return "\n".join(lines)


def _beside(results: Sequence[Result]) -> Iterator[_Row]:
    bridge, verdicts = results[0], [result.verdict for result in results]
    only = ["-"] * (len(results) - 1)
    yield "texts published", [v.published for v in verdicts]
    yield "shown in a chat", [v.shown for v in verdicts]
    yield "failed, as was meant", [v.failed - len(v.failed_wrongly) for v in verdicts]
    yield "failed, though nothing was wrong", [len(v.failed_wrongly) for v in verdicts]
    yield "kept on undelivered", [len(bridge.verdict.undelivered), *only]
    yield "LOST", [_lost(result) for result in results]
    yield "out of the queue's order", [len(bridge.verdict.out_of_order), *only]
    yield "pairs not in the order of sending", [v.not_in_sent_order for v in verdicts]
    yield "another text between its parts", [len(v.interleaved) for v in verdicts]
    yield "texts shown twice", [len(v.shown_twice) for v in verdicts]
    for reason in (LOST_ANSWER, KILLED, UNWRITTEN, UNEXPLAINED):
        yield f"  {reason}", [bridge.verdict.duplicates[reason], *only]
    yield from _waits(verdicts)


def _both_ways(result: Result, replies: Verdict) -> Iterator[_Row]:
    both = [result.verdict, replies]
    yield "published by SNS", [v.published for v in both]
    yield "shown in a chat, on a phone", [v.shown for v in both]
    yield "failed, as was meant", [v.failed - len(v.failed_wrongly) for v in both]
    yield "failed, though nothing was wrong", [len(v.failed_wrongly) for v in both]
    yield "kept on undelivered", [len(v.undelivered) for v in both]
    yield "LOST", [len(v.lost) for v in both]
    yield "out of the queue's order", [len(v.out_of_order) for v in both]
    yield "pairs not in the order of sending", [v.not_in_sent_order for v in both]
    yield "another one between its parts", [len(v.interleaved) for v in both]
    yield "shown twice", [len(v.shown_twice) for v in both]
    for reason in (CHAT_ENDED, LOST_ANSWER, KILLED, UNWRITTEN, UNEXPLAINED):
        yield f"  {reason}", [v.duplicates[reason] for v in both]
    yield from _waits(both)
    if result.chats:
        yield "chats started", [result.chats.started, ""]
        yield "  of these in the place of one that had ended", [result.chats.replacing, ""]
        yield "  a second one while one was open", [len(result.chats.second), ""]
        yield "  over before the customer was connected", [result.chats.unconnected, ""]
    yield "notifications that the filter policy kept away", ["", result.record.filtered]


def _waits(verdicts: Sequence[Verdict]) -> Iterator[_Row]:
    yield "published to shown, p50", [f"{v.p50:.2f} s" for v in verdicts]
    yield "published to shown, p99", [f"{v.p99:.1f} s" for v in verdicts]


def _of_the_run(results: Sequence[Result]) -> Iterator[_Row]:
    bridge = results[0]
    only = [""] if bridge.replies else ["-"] * (len(results) - 1)
    rest = only if bridge.replies else []
    for phase in bridge.drained_after:
        yield f"caught up after: {phase}", [*(_after(result, phase) for result in results), *rest]
    yield "processes killed", [*(result.record.kills for result in results), *rest]
    yield "calls that Connect refused or broke", [*(sum(result.refused.values()) for result in results), *rest]
    yield "calls to SQS and DynamoDB that failed", [sum(bridge.record.faults.values()), *only]
    yield "the run took", [*(f"{result.seconds:.0f} s" for result in results), *rest]


def _lost(result: Result) -> int:
    """The naive bridge has no queue for undelivered texts: these are lost."""
    verdict = result.verdict
    gone = verdict.undelivered if result.name == "naive" else []
    return len(verdict.lost) + sum(not text.meant_to_fail for text in gone)


def _after(result: Result, phase: str) -> str:
    after = result.drained_after.get(phase)
    return "-" if after is None else f"{after:.0f} s"
