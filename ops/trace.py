"""`bridge trace`: what became of a text, or of everything from one number, without reading logs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import typer

from bridge.config import Config
from bridge.texts.sms_event import conversation_id
from ops.console import Column, JsonOption, Output, ShowContentOption, complain, plural
from ops.ledger import KEPT_DAYS, LedgerRecord, OperatorsChats, OperatorsLedger
from ops.target import (
    ProfileOption,
    RegionOption,
    SandboxOption,
    StackOption,
    Target,
    TargetError,
    aws_errors,
)  # fmt: skip

_COLUMNS = (Column(name="UTC"), Column(name="event"), Column(name="detail", fold=True))
_FIELDS = (
    *("text_key", "direction", "outcome", "sns_message_id", "ours", "contact", "new_chat", "parts", "parts_done"),
    *("attempts", "retries", "duplicates", "lost_answers", "possible_duplicates", "failures"),
    *("stage", "error", "reason"),
)


def command(
    an_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="Text key, inboundMessageId, SNS MessageId, or Id in a chat.", show_default=False
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="NUMBER", help="Everything from this customer, and the replies to them."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NUMBER", help="With --from: to this number of yours.", show_default="all"),
    ] = None,
    hours: Annotated[
        float, typer.Option(help="With --from: how far back.", min=0.01, max=24 * KEPT_DAYS, metavar="N")
    ] = 24,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
    show_content: ShowContentOption = False,
) -> None:
    """Tell what became of a text: received, delivered to which contact, failed why, redriven, and when.

    The ledger knows each text and each reply for 16 days. Exit code 1 when it does not know this one.
    """
    if (an_id is None) == (sender is None):
        raise typer.BadParameter("say which text: ID, or --from NUMBER")
    if to and not sender:
        raise typer.BadParameter("--to goes with --from")
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    output = Output(as_json=as_json, show_content=show_content)
    with aws_errors(target):
        ledger = OperatorsLedger(target)
        if sender is None:
            record = ledger.find(str(an_id))
            records, unknown = [record] if record else [], not_in_ledger(str(an_id))
        else:
            numbers = [to] if to else sorted(_deployed_config(target).routes)
            since = datetime.now(UTC) - timedelta(hours=hours)
            records = _of_customer(ledger, OperatorsChats(target), sender, numbers, since=since)
            recipient = output.number(numbers[0]) if len(numbers) == 1 else f"any of {len(numbers)} numbers"
            unknown = (
                f"nothing from {output.number(sender)} to {recipient} in the last {hours:g} h; "
                "numbers are as End User Messaging spells them, such as +14255550182"
            )
    print_records(records, output)
    if not records:
        complain(unknown)
        raise typer.Exit(1)


def print_records(records: Iterable[LedgerRecord], output: Output) -> None:
    for number, record in enumerate(records):
        if output.as_json:
            output.json(row(record, output))
            continue
        output.say(("\n" if number else "") + headline(record, output), style="bold")
        output.rows(
            _COLUMNS,
            [
                {"UTC": f"{event.at:%m-%d %H:%M:%S}" if event.at else "", "event": event.event, "detail": event.detail}
                for event in history(record)
            ],
        )


def not_in_ledger(an_id: str) -> str:
    return (
        f"the ledger knows no text {an_id}: older than {KEPT_DAYS} days, or it never reached intake "
        "(undelivered: bridge failed list; whether numbers point here: bridge doctor)"
    )


def _of_customer(
    ledger: OperatorsLedger, chats: OperatorsChats, customer: str, numbers: Iterable[str], *, since: datetime
) -> list[LedgerRecord]:
    """Texts and replies, oldest first. A reply is found by its chat, a chat by the texts delivered to it."""
    records: list[LedgerRecord] = []
    contacts: set[str] = set()
    for number in numbers:
        conversation = conversation_id(customer.strip(), number)
        texts = ledger.of_conversation(conversation, since=since)
        contacts |= {one for one in (chats.latest(conversation), *(text.contact for text in texts)) if one}
        records += texts
    for contact in sorted(contacts):
        records += ledger.of_conversation(contact, since=since)
    return sorted(records, key=lambda record: record.since)


def _deployed_config(target: Target) -> Config:
    """The configuration in the archive of the deployed forward function. Raises TargetError."""
    with aws_errors(target):
        code = target.client("lambda").get_function(FunctionName=target.outputs["ForwardFunctionName"])["Code"]
    try:
        with httpx.Client(trust_env=target.sandbox is None, timeout=30) as http:
            archive = http.get(code["Location"]).raise_for_status().content
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            return Config.from_json(files.read("bridge/config.json").decode())
    except (httpx.HTTPError, zipfile.BadZipFile, KeyError, ValueError) as exc:
        raise TargetError(f"{target.where} does not show its settings: {type(exc).__name__}") from exc


# --- the history of a record ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is None if the ledger does not have the time."""

    at: datetime | None
    event: str
    detail: str


def history(record: LedgerRecord) -> list[Event]:
    """What happened, oldest first. Of what happened several times, the ledger keeps the last time."""
    return sorted(_events(record), key=lambda event: event.at or record.since)


def row(record: LedgerRecord, output: Output) -> dict[str, Any]:
    """The object that --json prints."""
    values = {name: getattr(record, name, None) for name in _FIELDS}
    values["ours"] = output.number(record.business_number) or None
    if output.show_content:
        values["conversation"] = record.conversation
    events = [
        {
            "at": event.at.isoformat(timespec="milliseconds") if event.at else None,
            "event": event.event,
            "detail": event.detail,
        }
        for event in history(record)
    ]
    return values | {"events": events}


def headline(record: LedgerRecord, output: Output) -> str:
    is_reply = record.direction == "out"
    what = "" if record.text_key.startswith("reply-") else "reply " if is_reply else "text "
    to = f" to {output.number(record.business_number)}" if record.business_number else ""
    sent = record.outcome == "forwarded" and is_reply
    outcome = "on its way" if record.outcome == "pending" else "sent to the phone" if sent else record.outcome
    return f"{what}{record.text_key}{to}: {outcome}"


def _events(record: LedgerRecord) -> Iterator[Event]:
    is_reply = record.direction == "out"
    if record.sent_at:
        yield Event(record.sent_at, "sent", "said in the chat" if is_reply else "published to the topic")
    yield _received(record)
    if record.failed_at:
        failure = f"in {record.failed_stage}: {record.failed_reason} ({record.failed_error})"
        often = f"; it has failed {_times(record.failures)}" if record.failures > 1 else ""
        maybe = _maybe_shown(record) if record.outcome == "failed" else ""
        yield Event(record.failed_at, "failed", failure + often + maybe)
    if record.redriven_at:
        yield Event(record.redriven_at, "redriven", "put back on its queue by an operator")
    if record.outcome == "pending":
        yield from _waiting(record)
    elif record.outcome == "forwarded":
        yield Event(record.done_at, "sent on" if is_reply else "delivered", _delivered(record))
    elif record.outcome == "ignored":
        yield Event(record.done_at, "ignored", record.reason or "there was nothing to show")
    elif record.outcome == "discarded":
        yield Event(record.done_at, "discarded", "taken out of failed by an operator, who has a copy")
    if record.duplicates:
        yield Event(record.duplicate_at, "came again", f"{_times(record.duplicates)}, and was not shown again")


def _received(record: LedgerRecord) -> Event:
    if record.received_at:
        queue = "chat" if record.direction == "out" else "conversation"
        return Event(record.received_at, "received", f"queued on its {queue}")
    if record.stage in ("intake", "reply-intake"):
        return Event(record.first_seen_at, "received", "and not queued")
    return Event(record.first_seen_at, "first noted", "when it was queued is not known")


def _waiting(record: LedgerRecord) -> Iterator[Event]:
    if record.parts_done:
        progress = f"{record.parts_done} of {plural(record.parts, 'part')} delivered{_again(record)}{_contact(record)}"
        yield Event(record.updated_at, "begun", progress)
    if record.reason:
        tried = f"returned to its queue {_times(record.retries)} after {plural(record.attempts, 'call')}"
        why = f"{record.reason} ({record.error})"
        yield Event(record.updated_at, "waiting", f"{why}; {tried}{_maybe_shown(record)}")
    elif not record.parts_done:
        yield Event(record.redriven_at, "waiting", "not tried yet: what is before it on its queue comes first")


def _delivered(record: LedgerRecord) -> str:
    again = f", returned to its queue {_times(record.retries)}" if record.retries else ""
    chat = "to a new chat" if record.new_chat else "to an open chat"
    where = "to the phone, from a chat" if record.direction == "out" else chat
    made = f"{plural(record.parts, 'part')}, {plural(record.attempts, 'call')}{again}{_again(record)}"
    return f"{made}, {where}{_contact(record)}"


def _again(record: LedgerRecord) -> str:
    """What may be shown more than once, because the answer to a call was lost."""
    count = record.possible_duplicates
    return f", perhaps shown again {_times(count)} (an answer was lost)" if count else ""


def _maybe_shown(record: LedgerRecord) -> str:
    """The part that is not accepted yet."""
    lost = record.lost_answers
    return f"; perhaps shown already, {plural(lost, 'answer')} lost" if lost else ""


def _contact(record: LedgerRecord) -> str:
    return f": contact {record.contact}" if record.contact else " that Connect did not name"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
