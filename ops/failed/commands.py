"""`bridge failed redrive|discard`: what takes entries out of failed and undelivered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ops.failed.copy import Copy
from ops.failed.discarding import Discard, Discarded
from ops.failed.handing import HandOver
from ops.failed.hiding import LONGEST
from ops.failed.listing import REACH, Failed, find, show_table, summed_up
from ops.failed.queues import Counts, counts
from ops.failed.redriving import Redrive, Redriven
from ops.failed.selection import Filters, IdsArgument, NewerOption, NumberOption, OlderOption, ReasonOption, Selection
from ops.ledger import OperatorsLedger
from ops.output import JsonOption, Output, ShowContentOption, complain
from ops.parties import Parties
from ops.progress import progress
from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, aws_errors

_NO_REPLIES_QUEUE = "of replies left: the stack has no replies queue any more, nor phones of these chats; discard them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was asked for, and what the ledger and SQS say of it before anything is done.

    `called` are the ids as they were given, by what they are resolved to.
    """

    target: Target
    output: Output
    ledger: OperatorsLedger
    selection: Selection
    failed: Failed
    in_failed: Counts
    undelivered: Counts
    called: dict[str, str]

    @classmethod
    def of(
        cls, target: Target, output: Output, *, ids: Iterable[str] | None = None, filters: Filters | None = None
    ) -> Job:
        """Raises TargetError, typer.BadParameter."""
        now, filters = datetime.now(UTC), filters or Filters()
        with aws_errors(target):
            ledger = OperatorsLedger(target)
            called = {}
            for an_id in ids or ():
                item = find(ledger, an_id)
                called[item.text_key if item else an_id] = an_id
            selection = Selection.of(filters, ids=called, now=now, party_of=Parties(target).of)
            failed = Failed.of(ledger.failed(now=now), selection, now=now)
            in_failed, undelivered = counts(target)
            selection = replace(selection, planned_at=in_failed.at)
        return cls(
            target=target,
            output=output,
            ledger=ledger,
            selection=selection,
            failed=failed,
            in_failed=in_failed,
            undelivered=undelivered,
            called=called,
        )

    @property
    def about(self) -> int:
        """How many entries it may be, for a progress bar."""
        return max(len(self.failed.selected), self.in_failed.all if self.selection.everything else 0)

    def missed(self, seen: set[str], *, hidden_in_failed: int = 0) -> Iterator[str]:
        """What was asked for and not found, or may be among what could not be seen."""
        hidden = self.undelivered.hidden if self.selection.in_undelivered and not self.selection.all_in(seen) else 0
        if hidden:
            yield (
                f"about {hidden} in undelivered {_was(hidden)} hidden by another run, or by one that was killed: run "
                f"it again in {LONGEST // 60} minutes"
            )
        unseen = (self.called.keys() if self.called else set(self.failed.in_queue)) - seen
        for key in (key for key in self.called if key in unseen):
            see = f"bridge trace {self.called[key]}{self.target.options}"
            yield f"{self.called[key]} is in neither queue, or hidden by another run; see: {see}"
        if unseen and not self.called:
            yield (
                f"{len(unseen)} that the ledger calls failed {_was(len(unseen))} not found: hidden by another "
                f"run, or behind {REACH} or more of their conversation that these options leave out"
            )
        if hidden_in_failed > len(unseen):  # SQS itself may have moved them: the ledger says nothing of these
            yield (
                f"about {hidden_in_failed} in failed {_was(hidden_in_failed)} hidden by another run, or by one that "
                f"was killed: run it again in {LONGEST // 60} minutes"
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
    Selection.of(filters, now=datetime.now(UTC))  # what is wrong with the options is said before anything is asked
    output = Output(as_json=as_json, show_content=show_content)
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    job = Job.of(target, output, ids=ids, filters=filters)
    if dry_run:
        _say_what_would_be(job)
        return
    with progress() as on_progress:
        run = Run(job, rate=rate, on_progress=lambda done: on_progress("putting back", done, max(done, job.about)))
        with _how_far(lambda: f"{_texts(run.redriven.put_back + run.handed.handed)} put back before that"):
            run.run()
    trouble = run.trouble()
    _say_redriven(job, run, trouble)
    if trouble:
        raise typer.Exit(1)


class Run:
    """A redrive of both queues."""

    def __init__(
        self, job: Job, *, rate: float | None = None, on_progress: Callable[[int], None] = lambda _: None
    ) -> None:
        target, sqs, outputs = job.target, job.target.client("sqs"), job.target.outputs
        self._job = job
        self._redrive = Redrive(
            sqs=sqs,
            outputs=outputs,
            notes=job.ledger,
            selection=job.selection,
            rate=rate,
            on_progress=on_progress,
        )
        self._hand_over = HandOver(
            sqs=sqs,
            functions=target.client("lambda"),
            outputs=outputs,
            selection=job.selection,
            on_progress=lambda done: on_progress(self._redrive.result.put_back + done),
        )
        self.redriven, self.handed = self._redrive.result, self._hand_over.result

    def run(self) -> None:
        """Raises TargetError."""
        with aws_errors(self._job.target):
            if self._job.selection.in_failed:
                self._redrive.run()
            if self._job.selection.in_undelivered and not self._job.selection.all_in(self.redriven.seen):
                self._hand_over.run()

    def trouble(self) -> list[str]:
        """What is still there though it was meant, when it has run."""
        return [
            *(f"{count} not taken by their queue: {code}" for code, count in self.redriven.refused.items()),
            *([f"{chatless} {_NO_REPLIES_QUEUE}"] if (chatless := len(self.redriven.without_queue)) else []),
            *(f"{count} not handed over: {what}" for what, count in self.handed.refused.items()),
            *([f"{len(self.redriven.undeleted)} put back and still in failed"] if self.redriven.undeleted else []),
            *([f"{len(self.handed.undeleted)} handed over and still in undelivered"] if self.handed.undeleted else []),
            *self._job.missed(self.redriven.seen | self.handed.seen, hidden_in_failed=self.redriven.hidden),
        ]


def redrive(target: Target) -> Redriven:
    """Everything of both queues. Raises TargetError."""
    run = Run(Job.of(target, Output()))
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
    job = Job.of(target, output, ids=ids, filters=filters)
    path = copy or Path(f"discarded-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl")
    with Copy(path) as kept:
        if not yes:
            _ask(job)
        with progress() as on_progress:
            run = Discard(
                sqs=target.client("sqs"),
                outputs=target.outputs,
                notes=job.ledger,
                selection=job.selection,
                copy=kept,
                on_progress=lambda done: on_progress("discarding", done, max(done, job.about)),
            )
            with _how_far(lambda: f"{_texts(run.result.discarded)} discarded before that"), aws_errors(target):
                run.run()
        trouble = [
            *([f"{run.result.undeleted} copied and still there: run it again"] if run.result.undeleted else []),
            *job.missed(run.result.seen, hidden_in_failed=run.result.hidden),
        ]
        _say_discarded(job, run.result, kept, trouble)
    if trouble:
        raise typer.Exit(1)


def _ask(job: Job) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody to ask: say --yes")
    for line in _meant(job):
        complain(line)
    if not typer.confirm("Discard?", err=True):
        complain("nothing discarded")
        raise typer.Exit(1)


def _say_what_would_be(job: Job) -> None:
    show_table(job.failed.selected, job.output)
    for line in (*summed_up(job.failed, job.selection), *_meant(job), *_order(job.failed)):
        (complain if job.output.as_json else job.output.say)(line)


def _meant(job: Job) -> Iterator[str]:
    failed, others = job.failed, max(0, job.in_failed.all - job.failed.all)
    yield f"{_texts(len(failed.selected))} of {_count(failed.conversations, 'conversation')}, by the ledger"
    if others and job.selection.in_failed:
        some = "" if job.selection.everything else ", as far as these options mean them"
        yield f"and of about {others} that the ledger does not call failed all that is in the queue{some}"
    if job.undelivered.all and job.selection.in_undelivered:
        some = "" if job.selection.everything else ", as far as these options mean them"
        yield f"and about {job.undelivered.all} in undelivered{some}"


def _order(failed: Failed) -> Iterator[str]:
    if failed.overtaking:
        yield f"{failed.overtaking} of them ahead of an earlier text of their conversation, which stays in failed"
    if failed.unreachable:
        yield (
            f"{failed.unreachable} of them not now: SQS hands out the first {REACH} of a conversation, and these "
            "options leave so many out"
        )


def _say_redriven(job: Job, run: Run, trouble: Sequence[str]) -> None:
    done, handed, say = run.redriven, run.handed, job.output.say
    if job.output.as_json:
        row = {
            "put_back": done.put_back,
            "moved_by_sqs": done.from_sqs,
            "ahead_of_earlier": len(done.overtaking),
            "failed_again": len(done.failed_again),
            "came_later": len(done.later | handed.later),
            "unnoted": done.unnoted,
            "handed_over": handed.handed,
            "trouble": trouble,
        }
        job.output.rows((), [row])
        return
    if done.put_back:
        often = f"after up to {_count(done.receives, 'receive')}"
        sqs = f", {done.from_sqs} of which SQS itself had moved to failed {often}" if done.from_sqs else ""
        say(f"{_texts(done.put_back)} put back on their queues{sqs}")
    if done.overtaking:
        say(f"{len(done.overtaking)} of them ahead of an earlier text of their conversation that stays in failed")
    if handed.handed:
        say(f"{handed.handed} from undelivered handed to their function")
    if done.failed_again:
        say(f"{len(done.failed_again)} of them failed again meanwhile: bridge failed list{job.target.options}")
    if not (done.put_back or handed.handed or trouble):
        say("nothing to put back")
    if done.unnoted:
        say(f"of {done.unnoted} of them the ledger could not be told; forward and reply say in it what becomes of them")
    for line in _later(done.later | handed.later):
        say(line)
    for line in trouble:
        complain(line)


def _say_discarded(job: Job, done: Discarded, copy: Copy, trouble: Sequence[str]) -> None:
    if job.output.as_json:
        row = {
            "discarded": done.discarded,
            "came_later": len(done.later),
            "unnoted": done.unnoted,
            "copy": str(copy.path) if copy.made else None,
            "trouble": trouble,
        }
        job.output.rows((), [row])
        return
    if done.discarded:
        job.output.say(f"{_texts(done.discarded)} discarded; what they were is in {copy.path}")
    elif not trouble:
        job.output.say("nothing to discard")
    if done.unnoted:
        job.output.say(
            f"of {done.unnoted} of them the ledger does not say so: they got on all the same, or it did not know them, "
            "or could not be written"
        )
    for line in _later(done.later):
        job.output.say(line)
    for line in trouble:
        complain(line)


def _later(entries: Collection[str]) -> Iterator[str]:
    if entries:
        yield f"{len(entries)} came after this was begun, and {_was(len(entries))} left: run it again for them"


@contextmanager
def _how_far(done: Callable[[], str]) -> Iterator[None]:
    """Says so where it is ended before it is done."""
    try:
        yield
    except BaseException:
        complain(f"{done()}; run it again for the rest")
        raise


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _texts(count: int) -> str:
    return _count(count, "text")


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
