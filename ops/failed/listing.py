"""`bridge failed list|show`: what is failed, by the ledger alone, and what to do about it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from bridge import errors
from ops.console import Column, JsonOption, Output, ShowContentOption, complain, plural
from ops.failed.messages import MOVED_BY_SQS, NOT_HANDED_OVER, NOT_TAKEN
from ops.failed.queue import LONGEST_VISIBILITY, Counts, counts
from ops.failed.selection import Filters, NewerOption, NumberOption, OlderOption, ReasonOption, Selection
from ops.ledger import QUEUE_RETENTION, LedgerRecord, OperatorsChats, OperatorsLedger
from ops.target import (
    ProfileOption,
    RegionOption,
    SandboxOption,
    StackOption,
    Target,
    TargetError,
    aws_errors,
)  # fmt: skip
from ops.trace import not_in_ledger, print_records, row

MOST_OF_GROUP = 10
"""SQS returns at most this many messages of one group."""
_SHORTEST_PREFIX = 4
"""Characters of a text key that a user must give at least."""
_WIDTH = 80
_COLUMNS = (Column(name="failed"), Column(name="text_key"), Column(name="error", fold=True))
_AGAIN = "then redrive."
ADVICE: Mapping[str, str] = {
    errors.MalformedNotificationError.__name__: (
        "It is no SMS as AWS documents it, and no try will change that. If it is a text all the same, the bridge has "
        f"to learn to read it: deploy that, {_AGAIN} Otherwise discard it."
    ),
    errors.UnknownNumberError.__name__: (
        "Add a [[numbers]] block for the number that was texted to bridge.toml (bridge numbers prints it), deploy, "
        f"{_AGAIN} If the number is none of yours, discard it and see which number points here."
    ),
    errors.RejectedError.__name__: (
        "Connect or End User Messaging says that this very request is wrong, and will say so again: look at what is "
        f"special about it (attributes, display name, length), change bridge.toml, deploy, {_AGAIN} Or discard it."
    ),
    errors.NotDeliverableError.__name__: (
        "This phone gets no text: the reason says why, and the agent was told. If it can be mended (spending limit, "
        f"country, opt-in), mend it, {_AGAIN} Otherwise discard it."
    ),
    errors.UnknownChatError.__name__: (
        "The bridge did not start this chat, or it began more than a week ago, so nobody knows the phone. Discard it."
    ),
    errors.MaybeDeliveredError.__name__: (
        "End User Messaging did not answer several calls for this text, so the phone may have it already, even more "
        "than once; the agent was told. Redrive only if the customer does not have it. Otherwise discard it."
    ),
    errors.ThrottledError.__name__: (
        "Connect or End User Messaging wanted fewer calls for longer than limits.give_up_after: have the quota raised, "
        "then redrive with --rate."
    ),
    errors.UnavailableError.__name__: (
        "Connect or End User Messaging did not answer for longer than limits.give_up_after. When it does, redrive."
    ),
    errors.LedgerError.__name__: (
        "DynamoDB did not answer for longer than limits.give_up_after. When it does again (bridge doctor), redrive."
    ),
    errors.QueueError.__name__: "SQS did not answer. When it does again (bridge doctor), redrive.",
    errors.ChatNotKnownYetError.__name__: (
        "The reply was given up before its chat was recorded: limits.give_up_after is too short. Redrive."
    ),
    errors.OutOfTimeError.__name__: (
        "No call was made for it at the configured rate, for twice limits.give_up_after: raise the quota or the "
        "rate in bridge.toml, then redrive with --rate."
    ),
    errors.UnexpectedError.__name__: (
        f"A defect of the bridge: forward's log has where, under the text key. Deploy what mends it, {_AGAIN}"
    ),
    errors.AccessRefusedError.__name__: (
        f"Connect or End User Messaging refuses this account or role: bridge doctor says what to change, {_AGAIN}"
    ),
    errors.NotFoundError.__name__: (
        "Connect or End User Messaging does not know the number, instance or flow: bridge doctor says which. Mend it, "
        f"deploy if it is bridge.toml, {_AGAIN}"
    ),
    errors.ChatLimitError.__name__: (
        "The instance had no room for another chat: end chats, shorten them, or have the quota raised, then redrive "
        "with --rate."
    ),
    MOVED_BY_SQS: (
        "The function ended without a word each time it had this text: its log and its metrics Errors and Throttles "
        f"say more. Mend that, {_AGAIN}"
    ),
    NOT_HANDED_OVER: (
        f"SNS could not hand it to its function: bridge doctor looks at function and permission. Mend that, {_AGAIN}"
    ),
    NOT_TAKEN: "The function failed each time it had this; the entry says with which error. Mend that, then redrive.",
}
"""What to do about a text, by the error code that it failed with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """What the ledger calls failed.

    Parameters:
        selected: the selected texts, the oldest failure first.
        in_queue: text keys of the selected that SQS still has.
        all: how many texts are failed, selected or not.
        conversations: of how many conversations the selected are.
        gone: how many of the selected SQS no longer has.
        overtaking: how many of the selected are behind a text of their conversation that is not selected.
        unreachable: how many are behind so many of those that SQS does not return them.
    """

    selected: Sequence[LedgerRecord]
    in_queue: Collection[str]
    all: int
    conversations: int
    gone: int
    overtaking: int
    unreachable: int

    @classmethod
    def of(cls, records: Iterable[LedgerRecord], selection: Selection, *, now: datetime) -> Failed:
        selected: list[LedgerRecord] = []
        left: Counter[str] = Counter()
        behind: list[int] = []
        in_queue: set[str] = set()
        everything = gone = 0
        for everything, record in enumerate(records, 1):  # noqa: B007 (the count, in the end)
            conversation = record.conversation or record.text_key
            is_gone = record.failed_at is not None and now - record.failed_at > QUEUE_RETENTION
            if selection.has_record(record):
                selected.append(record)
                gone += is_gone
                if not is_gone:
                    in_queue.add(record.text_key)
                behind.append(left[conversation])
            else:
                left[conversation] += not is_gone
        return cls(
            selected=selected,
            in_queue=in_queue,
            all=everything,
            conversations=len({record.conversation or record.text_key for record in selected}),
            gone=gone,
            overtaking=sum(0 < count < MOST_OF_GROUP for count in behind),
            unreachable=sum(count >= MOST_OF_GROUP for count in behind),
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
    Selection.of(filters, now=datetime.now(UTC))  # wrong options are reported before any call
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    output, now = Output(as_json=as_json, show_content=show_content), datetime.now(UTC)
    with aws_errors(target):
        selection = Selection.of(filters, now=now, participants_of=OperatorsChats(target).participants)
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
        record = find(OperatorsLedger(target), an_id)
    if record is None:
        complain(not_in_ledger(an_id))
        raise typer.Exit(1)
    advice = ADVICE.get(record.failed_error or "", "Redrive it.") if record.outcome == "failed" else None
    if as_json:
        output.json(row(record, output) | {"advice": advice})
        return
    print_records([record], output)
    if advice is None:
        output.say(f"\nIt is not in failed: it is {'on its way' if record.outcome == 'pending' else record.outcome}.")
        return
    output.say("")
    for line in textwrap.wrap(advice, _WIDTH):
        output.say(line)
    for command in ("redrive", "discard"):
        output.say(f"  bridge failed {command} {record.text_key}{target.options}")


def find(ledger: OperatorsLedger, an_id: str) -> LedgerRecord | None:
    """By an id, or by a prefix of a failed text's key. Raises TargetError if several keys have that prefix."""
    if record := ledger.find(an_id):
        return record
    if len(an_id) < _SHORTEST_PREFIX:
        return None
    found = [record for record in ledger.failed(now=datetime.now(UTC)) if record.text_key.startswith(an_id)]
    if len(found) > 1:
        raise TargetError(f"{an_id} is the beginning of {len(found)} text keys: say more of it")
    return found[0] if found else None


def show_table(records: Iterable[LedgerRecord], output: Output) -> None:
    rows = [_row(record, output) for record in records]
    if rows:
        output.rows(_COLUMNS, rows)


def summed_up(failed: Failed, selection: Selection) -> Iterator[str]:
    """How many failed with each error, and the reason of the last one."""
    last = {record.failed_error: record.failed_reason for record in failed.selected}
    by_error = Counter(record.failed_error for record in failed.selected)
    for error, count in by_error.most_common():
        yield f"{count} {error}{', the last' if count > 1 else ''}: {last[error]}"
    if not failed.selected and not selection.everything and failed.all:
        yield f"none of the {plural(failed.all, 'text')} in failed is meant by these options"
    if failed.gone:
        yield f"{failed.gone} failed more than {QUEUE_RETENTION.days} days ago: SQS no longer has them"


def compared(failed: Failed, in_failed: Counts, undelivered: Counts) -> Iterator[str]:
    """Compare the queues' counts with the ledger. SQS's counts lag behind by up to a minute."""
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
            f"within the last {LONGEST_VISIBILITY // 60} minutes"
        )
    if undelivered.all:
        yield f"about {undelivered.all} in undelivered, which never reached their function; redrive hands them over"
    else:
        yield "nothing in undelivered"


def _row(record: LedgerRecord, output: Output) -> dict[str, Any]:
    at = record.failed_at
    if not output.as_json:
        return {"failed": f"{at:%m-%d %H:%M}" if at else "", "text_key": record.text_key, "error": record.failed_error}
    values = {
        "text_key": record.text_key,
        "failed_at": at.isoformat(timespec="milliseconds") if at else None,
        "direction": record.direction,
        "error": record.failed_error,
        "reason": record.failed_reason,
        "stage": record.failed_stage,
        "failures": record.failures,
        "attempts": record.attempts,
        "ours": output.number(record.business_number) or None,
    }
    return values | ({"conversation": record.conversation} if output.show_content else {})
