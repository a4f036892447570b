"""What a run says: its plan, one table of 80 columns, and the histories of the texts that show a broken promise."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.faults.accounting import KILLED, LOST_ANSWER, UNEXPLAINED, UNWRITTEN
from tests.faults.plan import Plan
from tests.faults.run import Result

_HISTORIES = 3


def heading(plan: Plan) -> str:
    return (
        f"seed {plan.seed}: {plan.texts:,} texts in {plan.conversations:,} conversations, {plan.rate:g} a second;\n"
        f"Lambda's pauses between asynchronous tries are {plan.shorter:g} times shorter than AWS's,\n"
        f"the queue forgets deduplication ids after {plan.window:g} s instead of 300 s;\n"
        f"the bridge has {plan.intakes} + {plan.forwards} processes, the naive one {plan.naives}: "
        "what finds none\nfree waits in Lambda's queue, which spares it much of an outage"
    )


def table(plan: Plan, results: Sequence[Result]) -> str:
    rows: list[tuple[str, list[str]]] = []

    def row(label: str, *values: object) -> None:
        rows.append((label, [f"{value:,}" if isinstance(value, int) else str(value) for value in values]))

    bridge, verdicts = results[0], [result.verdict for result in results]
    only = ["-"] * (len(results) - 1)
    row("texts published", *(v.published for v in verdicts))
    row("shown in a chat", *(v.shown for v in verdicts))
    row("failed, as was meant", *(v.failed - len(v.failed_wrongly) for v in verdicts))
    row("failed, though nothing was wrong", *(len(v.failed_wrongly) for v in verdicts))
    row("kept on undelivered", len(bridge.verdict.undelivered), *only)
    row("LOST", *(_lost(result) for result in results))
    row("out of the queue's order", len(bridge.verdict.out_of_order), *only)
    row("pairs not in the order of sending", *(v.disordered for v in verdicts))
    row("another text between its parts", *(len(v.torn) for v in verdicts))
    row("texts shown twice", *(len(v.twice) for v in verdicts))
    for reason in (LOST_ANSWER, KILLED, UNWRITTEN, UNEXPLAINED):
        row(f"  {reason}", bridge.verdict.duplicates[reason], *only)
    row("published to shown, p50", *(f"{v.p50:.2f} s" for v in verdicts))
    row("published to shown, p99", *(f"{v.p99:.1f} s" for v in verdicts))
    for phase in bridge.drained_after:
        row(f"caught up after: {phase}", *(_after(result, phase) for result in results))
    row("processes killed", *(len(result.record.kills) for result in results))
    row("calls that Connect refused or broke", *(sum(result.refused.values()) for result in results))
    row("calls to SQS and DynamoDB that failed", sum(bridge.record.faults.values()), *only)
    row("the run took", *(f"{result.seconds:.0f} s" for result in results))

    shown = Table(title=f"seed {plan.seed}")
    shown.add_column("", no_wrap=True)
    for result in results:
        shown.add_column("the bridge" if result.name == "bridge" else "naive bridge", justify="right")
    for label, values in rows:
        shown.add_row(label, *values)
    console = Console(width=80, force_terminal=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def broken(result: Result) -> str:
    """Empty where every promise was kept; else what was not, with histories."""
    lines = [] if result.drained else ["NOT DRAINED: texts still wait"]
    for promise, texts in result.verdict.broken.items():
        lines.append(f"BROKEN: {promise}: {len(texts)} texts")
        for text in texts[:_HISTORIES]:
            lines += [f"  text {text.number} ({text.key})", *(f"    {line}" for line in result.accounts.history(text))]
    return "\n".join(lines)


def _lost(result: Result) -> int:
    """What the naive bridge was handed in vain and keeps nowhere is lost."""
    verdict = result.verdict
    gone = verdict.undelivered if result.name == "naive" else []
    return len(verdict.lost) + sum(not text.meant_to_fail for text in gone)


def _after(result: Result, phase: str) -> str:
    after = result.drained_after.get(phase)
    return "-" if after is None else f"{after:.0f} s"
