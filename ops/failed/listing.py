"""`bridge failed list|show`: what is failed, as the ledger has it. Nothing is received from a queue."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ops.failed.advice import ADVICE
from ops.failed.hiding import LONGEST
from ops.failed.queues import Counts, counts
from ops.failed.selection import Filters, NewerOption, NumberOption, OlderOption, ReasonOption, Selection
from ops.ledger import QUEUE_KEEPS, Item, OperatorsLedger
from ops.output import Column, JsonOption, Output, ShowContentOption, complain
from ops.parties import Parties
from ops.story import row as told
from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, TargetError, aws_errors
from ops.trace import nobody_knows, tell

REACH = 10
"""Entries of one conversation that SQS hands out at most."""
_BEGINNING = 4
"""Characters of a text key that may stand for it."""
_WIDTH = 80
_COLUMNS = (Column(name="failed"), Column(name="text_key"), Column(name="error", fold=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What the ledger calls failed: the selected texts in the order in which they failed, and how many there are.

    `gone` of the selected are no longer in the queue; `overtaking` are behind one of their conversation that is not
    selected, `unreachable` behind so many of them that SQS hands them out to nobody.
    """

    selected: Sequence[Item]
    in_queue: Collection[str]
    """Text keys of the selected that are not gone."""
    all: int
    conversations: int
    gone: int
    overtaking: int
    unreachable: int

    @classmethod
    def of(cls, items: Iterable[Item], selection: Selection, *, now: datetime) -> Failed:
        selected: list[Item] = []
        left: Counter[str] = Counter()
        behind: list[int] = []
        in_queue: set[str] = set()
        everything = gone = 0
        for everything, item in enumerate(items, 1):  # noqa: B007 (it is the count in the end)
            conversation = item.conversation or item.text_key
            is_gone = item.failed_at is not None and now - item.failed_at > QUEUE_KEEPS
            if selection.has_item(item):
                selected.append(item)
                gone += is_gone
                if not is_gone:
                    in_queue.add(item.text_key)
                behind.append(left[conversation])
            else:
                left[conversation] += not is_gone
        return cls(
            selected=selected,
            in_queue=in_queue,
            all=everything,
            conversations=len({item.conversation or item.text_key for item in selected}),
            gone=gone,
            overtaking=sum(0 < count < REACH for count in behind),
            unreachable=sum(count >= REACH for count in behind),
        )


def list_(
    reason: ReasonOption = None,
    number: NumberOption = None,
    older: OlderOption = None,
    newer: NewerOption = None,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
    show_content: ShowContentOption = False,
) -> None:
    """List what is failed, by the ledger, the oldest first; and what the queues hold by SQS's count."""
    filters = Filters(reason=reason, number=number, older=older, newer=newer)
    Selection.of(filters, now=datetime.now(UTC))  # what is wrong with the options is said before anything is asked
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    output, now = Output(as_json=as_json, show_content=show_content), datetime.now(UTC)
    with aws_errors(target):
        selection = Selection.of(filters, now=now, party_of=Parties(target).of)
        failed = Failed.of(OperatorsLedger(target).failed(now=now), selection, now=now)
        in_failed, undelivered = counts(target)
    show_table(failed.selected, output)
    for line in (*summed_up(failed, selection), *compared(failed, in_failed, undelivered)):
        (complain if as_json else output.say)(line)


def show(
    an_id: Annotated[
        str, typer.Argument(metavar="ID", help="Text key, its beginning, or SNS MessageId.", show_default=False)
    ],
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
    show_content: ShowContentOption = False,
) -> None:
    """Show all that the ledger knows of a text, and what to do about what it failed with."""
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    output = Output(as_json=as_json, show_content=show_content)
    with aws_errors(target):
        item = find(OperatorsLedger(target), an_id)
    if item is None:
        complain(nobody_knows(an_id))
        raise typer.Exit(1)
    advice = ADVICE.get(item.failed_error or "", "Redrive it.") if item.outcome == "failed" else None
    if as_json:
        output.rows((), [told(item, output) | {"advice": advice}])
        return
    tell([item], output)
    if advice is None:
        output.say(f"\nIt is not in failed: it is {'on its way' if item.outcome == 'pending' else item.outcome}.")
        return
    output.say("")
    for line in textwrap.wrap(advice, _WIDTH):
        output.say(line)
    for command in ("redrive", "discard"):
        output.say(f"  bridge failed {command} {item.text_key}{target.options}")


def find(ledger: OperatorsLedger, an_id: str) -> Item | None:
    """By an id, or by the beginning of the key of one that is failed. Raises TargetError where that is of several."""
    if item := ledger.find(an_id):
        return item
    if len(an_id) < _BEGINNING:
        return None
    found = [item for item in ledger.failed(now=datetime.now(UTC)) if item.text_key.startswith(an_id)]
    if len(found) > 1:
        raise TargetError(f"{an_id} is the beginning of {len(found)} text keys: say more of it")
    return found[0] if found else None


def show_table(items: Iterable[Item], output: Output) -> None:
    rows = [_row(item, output) for item in items]
    if rows:
        output.rows(_COLUMNS, rows)


def summed_up(failed: Failed, selection: Selection) -> Iterator[str]:
    """How many of each error, with the reason of the last one."""
    last = {item.failed_error: item.failed_reason for item in failed.selected}
    errors = Counter(item.failed_error for item in failed.selected)
    for error, count in errors.most_common():
        yield f"{count} {error}{', the last' if count > 1 else ''}: {last[error]}"
    if not failed.selected and not selection.everything and failed.all:
        yield f"none of the {_texts(failed.all)} in failed is meant by these options"
    if failed.gone:
        yield f"{failed.gone} failed more than {QUEUE_KEEPS.days} days ago: SQS has let go of them"


def compared(failed: Failed, in_failed: Counts, undelivered: Counts) -> Iterator[str]:
    """What the queues hold beside what the ledger calls failed. SQS's counts lag behind by up to a minute."""
    more = in_failed.all - failed.all
    if not failed.all and not in_failed.all:
        yield "nothing in failed"
    if more > 0:
        yield (
            f"about {more} more in the queue that the ledger does not call failed: SQS itself moved them there "
            "(MovedBySqs), or they got on all the same; redrive takes them too"
        )
    if more < 0:
        yield f"about {-more} fewer in the queue by SQS's count, which lags behind"
    if in_failed.hidden:
        yield (
            f"about {in_failed.hidden} of the queue are hidden: a redrive or discard is under way, or was killed "
            f"within the last {LONGEST // 60} minutes"
        )
    if undelivered.all:
        yield f"about {undelivered.all} in undelivered, which never reached their function; redrive hands them over"
    else:
        yield "nothing in undelivered"


def _row(item: Item, output: Output) -> dict[str, Any]:
    at = item.failed_at
    if not output.as_json:
        return {
            "failed": f"{at:%m-%d %H:%M}" if at else "",
            "text_key": item.text_key,
            "error": item.failed_error,
        }
    said = {
        "text_key": item.text_key,
        "failed_at": at.isoformat(timespec="milliseconds") if at else None,
        "direction": item.direction,
        "error": item.failed_error,
        "reason": item.failed_reason,
        "stage": item.failed_stage,
        "failures": item.failures,
        "attempts": item.attempts,
        "ours": output.number(item.ours) or None,
    }
    return said | ({"conversation": item.conversation} if output.show_content else {})


def _texts(count: int) -> str:
    return "1 text" if count == 1 else f"{count} texts"
