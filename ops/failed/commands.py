"""`bridge failed redrive|discard`: plan, question and report of what takes messages out of failed and undelivered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.console import JsonOption, Output, ShowContentOption, complain, plural, progress
from ops.failed.discard import Copy, Discard, DiscardResult
from ops.failed.listing import MOST_OF_GROUP, Failed, find, show_table, summed_up
from ops.failed.queue import LONGEST_VISIBILITY, Counts, counts
from ops.failed.redrive import HandOver, Redrive, RedriveResult
from ops.failed.selection import Filters, IdsArgument, NewerOption, NumberOption, OlderOption, ReasonOption, Selection
from ops.ledger import OperatorsChats, OperatorsLedger
from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, aws_errors

_NO_REPLIES_QUEUE = "of replies left: the stack has no replies queue any more, nor phones of these chats; discard them"
_RUN_AGAIN = f"run it again in {LONGEST_VISIBILITY // 60} minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the user selected, and what the ledger and SQS had of it before the run.

    Parameters:
        given_ids: the ids as the user gave them, by text key, or by themselves if the ledger does not have them.
    """

    target: Target
    output: Output
    ledger: OperatorsLedger
    selection: Selection
    failed: Failed
    in_failed: Counts
    undelivered: Counts
    given_ids: dict[str, str]

    @classmethod
    def of(
        cls, target: Target, output: Output, *, ids: Iterable[str] | None = None, filters: Filters | None = None
    ) -> Plan:
        """Raises TargetError, typer.BadParameter."""
        now = datetime.now(UTC)
        with aws_errors(target):
            ledger = OperatorsLedger(target)
            found = {an_id: find(ledger, an_id) for an_id in ids or ()}
            given_ids = {record.text_key if record else an_id: an_id for an_id, record in found.items()}
            selection = Selection.of(
                filters or Filters(), ids=given_ids, now=now, participants_of=OperatorsChats(target).participants
            )
            failed = Failed.of(ledger.failed(now=now), selection, now=now)
            in_failed, undelivered = counts(target)
        return cls(
            target=target,
            output=output,
            ledger=ledger,
            selection=replace(selection, planned_at=in_failed.at),
            failed=failed,
            in_failed=in_failed,
            undelivered=undelivered,
            given_ids=given_ids,
        )

    @property
    def about(self) -> int:
        """The approximate number of messages, for a progress bar."""
        return max(len(self.failed.selected), self.in_failed.all if self.selection.everything else 0)

    def not_found(self, seen: set[str], *, hidden_in_failed: int = 0) -> Iterator[str]:
        """One line for each kind of message that was selected and not found, or that may be among hidden ones."""
        hidden = self.undelivered.hidden if self.selection.in_undelivered and not self.selection.all_in(seen) else 0
        if hidden:
            yield (
                f"about {hidden} in undelivered {_was(hidden)} hidden by another run, or by one that was killed: "
                f"{_RUN_AGAIN}"
            )
        unseen = (self.given_ids.keys() if self.given_ids else set(self.failed.in_queue)) - seen
        for key in (key for key in self.given_ids if key in unseen):
            see = f"bridge trace {self.given_ids[key]}{self.target.options}"
            yield f"{self.given_ids[key]} is in neither queue, or hidden by another run; see: {see}"
        if unseen and not self.given_ids:
            yield (
                f"{len(unseen)} that the ledger calls failed {_was(len(unseen))} not found: hidden by another "
                f"run, or behind {MOST_OF_GROUP} or more of their conversation that these options leave out"
            )
        if hidden_in_failed > len(unseen):  # the ledger has no failure for what SQS itself moved
            yield (
                f"about {hidden_in_failed} in failed {_was(hidden_in_failed)} hidden by another run, or by one that "
                f"was killed: {_RUN_AGAIN}"
            )


def redrive_(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    number: NumberOption = None,
    older: OlderOption = None,
    newer: NewerOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, and do nothing.")] = False,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", metavar="N", help="Texts per second.", show_default="as fast as the queues take them", min=0.01
        ),
    ] = None,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
    show_content: ShowContentOption = False,
) -> None:
    """Put failed texts back on their queues, each conversation's in order, and hand over what is in undelivered.

    All of it, or what the options and IDs say. No part is shown twice that the
    ledger knows as shown.
    It can be interrupted and run again.
    Exit code 1 when something that was meant is still there.
    """
    filters = Filters(reason=reason, number=number, older=older, newer=newer)
    Selection.of(filters, now=datetime.now(UTC))  # wrong options are reported before any call
    output = Output(as_json=as_json, show_content=show_content)
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    plan = Plan.of(target, output, ids=ids, filters=filters)
    if dry_run:
        _print_dry_run(plan)
        return
    with progress() as on_progress:
        run = RedriveRun(
            plan, rate=rate, on_progress=lambda done: on_progress("putting back", done, max(done, plan.about))
        )
        with _count_if_interrupted(
            lambda: f"{_texts(run.redriven.put_back + run.handed.handed_over)} put back before that"
        ):
            run.run()
    problems = run.problems()
    print_redriven(plan, run, problems)
    if problems:
        raise typer.Exit(1)


class RedriveRun:
    """A redrive of both queues."""

    def __init__(
        self, plan: Plan, *, rate: float | None = None, on_progress: Callable[[int], None] = lambda _: None
    ) -> None:
        target, sqs, outputs = plan.target, plan.target.client("sqs"), plan.target.outputs
        self._plan = plan
        self._redrive = Redrive(
            sqs=sqs, outputs=outputs, ledger=plan.ledger, selection=plan.selection, rate=rate, on_progress=on_progress
        )
        self._hand_over = HandOver(
            sqs=sqs,
            functions=target.client("lambda"),
            outputs=outputs,
            selection=plan.selection,
            on_progress=lambda done: on_progress(self._redrive.result.put_back + done),
        )
        self.redriven, self.handed = self._redrive.result, self._hand_over.result

    def run(self) -> None:
        """Raises TargetError."""
        with aws_errors(self._plan.target):
            if self._plan.selection.in_failed:
                self._redrive.run()
            if self._plan.selection.in_undelivered and not self._plan.selection.all_in(self.redriven.seen):
                self._hand_over.run()

    def problems(self) -> list[str]:
        """After the run: one line for each reason why something selected is still there."""
        return [
            *(f"{count} not taken by their queue: {code}" for code, count in self.redriven.refused.items()),
            *([f"{chatless} {_NO_REPLIES_QUEUE}"] if (chatless := len(self.redriven.without_queue)) else []),
            *(f"{count} not handed over: {what}" for what, count in self.handed.refused.items()),
            *([f"{len(self.redriven.undeleted)} put back and still in failed"] if self.redriven.undeleted else []),
            *([f"{len(self.handed.undeleted)} handed over and still in undelivered"] if self.handed.undeleted else []),
            *self._plan.not_found(self.redriven.seen | self.handed.seen, hidden_in_failed=self.redriven.hidden),
        ]


def redrive(target: Target) -> RedriveResult:
    """Redrive everything of both queues. Raises TargetError."""
    run = RedriveRun(Plan.of(target, Output()))
    run.run()
    return run.redriven


def discard(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    number: NumberOption = None,
    older: OlderOption = None,
    newer: NewerOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything in failed and undelivered.")] = False,
    copy: Annotated[
        Path | None,
        typer.Option(
            "--copy", metavar="PATH", help="The file for the copy.", show_default="discarded-TIME.jsonl in this folder"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Take texts out of failed and undelivered for good, with a copy in a file first.

    Those that the options and IDs say. The copy has one JSON object a line, with
    what was said and whole numbers: it is for its owner's eyes.
    Exit code 1 when something that was meant is still there.
    """
    filters = Filters(reason=reason, number=number, older=older, newer=newer)
    selection = Selection.of(filters, ids=ids or (), now=datetime.now(UTC))
    if selection.everything != everything:
        raise typer.BadParameter("say which: IDs or options, or --all for everything")
    output = Output(as_json=as_json)
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    plan = Plan.of(target, output, ids=ids, filters=filters)
    path = copy or Path(f"discarded-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")
    with Copy(path) as kept:
        if not yes:
            _confirm(plan)
        with progress() as on_progress:
            run = Discard(
                sqs=target.client("sqs"),
                outputs=target.outputs,
                ledger=plan.ledger,
                selection=plan.selection,
                copy=kept,
                on_progress=lambda done: on_progress("discarding", done, max(done, plan.about)),
            )
            with (
                _count_if_interrupted(lambda: f"{_texts(run.result.discarded)} discarded before that"),
                aws_errors(target),
            ):
                run.run()
        problems = [
            *([f"{run.result.undeleted} copied and still there: run it again"] if run.result.undeleted else []),
            *plan.not_found(run.result.seen, hidden_in_failed=run.result.hidden),
        ]
        print_discarded(plan, run.result, kept, problems)
    if problems:
        raise typer.Exit(1)


def _confirm(plan: Plan) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody to ask: say --yes")
    for line in _selected(plan):
        complain(line)
    if not typer.confirm("Discard?", err=True):
        complain("nothing discarded")
        raise typer.Exit(1)


def _print_dry_run(plan: Plan) -> None:
    show_table(plan.failed.selected, plan.output)
    for line in (*summed_up(plan.failed, plan.selection), *_selected(plan), *_order(plan.failed)):
        (complain if plan.output.as_json else plan.output.say)(line)


def _selected(plan: Plan) -> Iterator[str]:
    some = "" if plan.selection.everything else ", as far as these options mean them"
    failed, others = plan.failed, max(0, plan.in_failed.all - plan.failed.all)
    yield f"{_texts(len(failed.selected))} of {plural(failed.conversations, 'conversation')}, by the ledger"
    if others and plan.selection.in_failed:
        yield f"and of about {others} that the ledger does not call failed all that is in the queue{some}"
    if plan.undelivered.all and plan.selection.in_undelivered:
        yield f"and about {plan.undelivered.all} in undelivered{some}"


def _order(failed: Failed) -> Iterator[str]:
    if failed.overtaking:
        yield f"{failed.overtaking} of them ahead of an earlier text of their conversation, which stays in failed"
    if failed.unreachable:
        yield (
            f"{failed.unreachable} of them not now: SQS hands out the first {MOST_OF_GROUP} of a conversation, and "
            "these options leave so many out"
        )


def print_redriven(plan: Plan, run: RedriveRun, problems: Sequence[str]) -> None:
    done, handed, say = run.redriven, run.handed, plan.output.say
    if plan.output.as_json:
        row = {
            "put_back": done.put_back,
            "moved_by_sqs": done.from_sqs,
            "ahead_of_earlier": len(done.overtaking),
            "failed_again": len(done.failed_again),
            "came_later": len(done.later | handed.later),
            "unnoted": done.unrecorded,
            "handed_over": handed.handed_over,
            "trouble": problems,
        }
        plan.output.json(row)
        return
    if done.put_back:
        often = f"after up to {plural(done.receives, 'receive')}"
        sqs = f", {done.from_sqs} of which SQS itself had moved to failed {often}" if done.from_sqs else ""
        say(f"{_texts(done.put_back)} put back on their queues{sqs}")
    if done.overtaking:
        say(f"{len(done.overtaking)} of them ahead of an earlier text of their conversation that stays in failed")
    if handed.handed_over:
        say(f"{handed.handed_over} from undelivered handed to their function")
    if done.failed_again:
        say(f"{len(done.failed_again)} of them failed again meanwhile: bridge failed list{plan.target.options}")
    if not (done.put_back or handed.handed_over or problems):
        say("nothing to put back")
    if done.unrecorded:
        say(
            f"of {done.unrecorded} of them the ledger could not be told; forward and reply say in it what becomes of "
            "them"
        )
    for line in _later(done.later | handed.later):
        say(line)
    for line in problems:
        complain(line)


def print_discarded(plan: Plan, done: DiscardResult, copy: Copy, problems: Sequence[str]) -> None:
    if plan.output.as_json:
        row = {
            "discarded": done.discarded,
            "came_later": len(done.later),
            "unnoted": done.unrecorded,
            "copy": str(copy.path) if copy.created else None,
            "trouble": problems,
        }
        plan.output.json(row)
        return
    if done.discarded:
        plan.output.say(f"{_texts(done.discarded)} discarded; what they were is in {copy.path}")
    elif not problems:
        plan.output.say("nothing to discard")
    if done.unrecorded:
        plan.output.say(
            f"of {done.unrecorded} of them the ledger does not say so: they got on all the same, or it did not know "
            "them, or could not be written"
        )
    for line in _later(done.later):
        plan.output.say(line)
    for line in problems:
        complain(line)


def _later(message_ids: Collection[str]) -> Iterator[str]:
    if count := len(message_ids):
        yield f"{count} came after this was begun, and {_was(count)} left: run it again for them"


@contextmanager
def _count_if_interrupted(done: Callable[[], str]) -> Iterator[None]:
    """If the run ends early, print how far it got."""
    try:
        yield
    except BaseException:
        complain(f"{done()}; run it again for the rest")
        raise


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _texts(count: int) -> str:
    return plural(count, "text")
