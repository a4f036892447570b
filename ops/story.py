"""What became of one text, as a story: from what the ledger says, in order. No AWS here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops.ledger import Item
from ops.output import Output

_TIMES = {1: "once", 2: "twice"}


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is None where the ledger does not say when."""

    at: datetime | None
    event: str
    detail: str


def story(item: Item) -> list[Event]:
    """What happened, in order. The ledger keeps the last time of what happened more than once."""
    events = list(_events(item))
    order = {id(event): number for number, event in enumerate(events)}
    return sorted(events, key=lambda event: (event.at or item.since, order[id(event)]))


def row(item: Item, output: Output) -> dict[str, Any]:
    """All of it for a program: names and values, then the story."""
    said: dict[str, Any] = {
        "text_key": item.text_key,
        "direction": item.direction,
        "outcome": item.outcome,
        "sns_message_id": item.sns_message_id,
        "ours": output.number(item.ours) or None,
        "contact": item.contact,
        "new_chat": item.new_chat,
        "parts": item.parts,
        "parts_done": item.parts_done,
        "attempts": item.attempts,
        "retries": item.retries,
        "duplicates": item.duplicates,
        "failures": item.failures,
        "stage": item.stage,
        "error": item.error,
        "reason": item.reason,
    }
    if output.show_content:
        said["conversation"] = item.conversation
    events = [{"at": _iso(event.at), "event": event.event, "detail": event.detail} for event in story(item)]
    return said | {"events": events}


def headline(item: Item, output: Output) -> str:
    """Which text, and what became of it."""
    what = "" if item.text_key.startswith("reply-") else "reply " if item.direction == "out" else "text "
    to = f" to {output.number(item.ours)}" if item.ours else ""
    return f"{what}{item.text_key}{to}: {_outcome(item)}"


def _outcome(item: Item) -> str:
    if item.outcome == "pending":
        return "on its way"
    if item.outcome == "forwarded" and item.direction == "out":
        return "sent to the phone"
    return item.outcome


def _events(item: Item) -> Iterator[Event]:
    reply = item.direction == "out"
    if item.sent_at:
        yield Event(item.sent_at, "sent", "said in the chat" if reply else "published to the topic")
    yield _received(item, reply=reply)
    if item.failed_at:
        often = f"; it has failed {_times(item.failures)}" if item.failures > 1 else ""
        yield Event(
            item.failed_at, "failed", f"in {item.failed_stage}: {item.failed_reason} ({item.failed_error}){often}"
        )
    if item.redriven_at:
        yield Event(item.redriven_at, "redriven", "put back on its queue by an operator")
    if item.outcome == "pending":
        yield from _waiting(item)
    elif item.outcome == "forwarded":
        yield Event(item.done_at, "sent on" if reply else "delivered", _delivered(item, reply=reply))
    elif item.outcome == "ignored":
        yield Event(item.done_at, "ignored", item.reason or "there was nothing to show")
    elif item.outcome == "discarded":
        yield Event(item.done_at, "discarded", "taken out of failed by an operator, who has a copy")
    if item.duplicates:
        yield Event(item.duplicate_at, "came again", f"{_times(item.duplicates)}, and was not shown again")


def _received(item: Item, *, reply: bool) -> Event:
    if item.received_at:
        return Event(item.received_at, "received", f"queued on its {'chat' if reply else 'conversation'}")
    if item.stage in ("intake", "reply-intake"):
        return Event(item.first_seen_at, "received", "and not queued")
    return Event(item.first_seen_at, "first noted", "when it was queued is not known")


def _waiting(item: Item) -> Iterator[Event]:
    if item.parts_done:
        yield Event(item.updated_at, "begun", f"{item.parts_done} of {_parts(item)} delivered{_contact(item)}")
    if item.reason:
        yield Event(
            item.updated_at,
            "waiting",
            f"{item.reason} ({item.error}); given back {_times(item.retries)} after {_calls(item)}",
        )
    elif not item.parts_done:
        yield Event(item.redriven_at, "waiting", "not tried yet: what is before it on its queue comes first")


def _delivered(item: Item, *, reply: bool) -> str:
    again = f", given back {_times(item.retries)}" if item.retries else ""
    where = "to the phone, from a chat" if reply else "to a new chat" if item.new_chat else "to an open chat"
    return f"{_parts(item)}, {_calls(item)}{again}, {where}{_contact(item)}"


def _contact(item: Item) -> str:
    return f": contact {item.contact}" if item.contact else " that Connect did not name"


def _parts(item: Item) -> str:
    return "1 part" if item.parts == 1 else f"{item.parts} parts"


def _calls(item: Item) -> str:
    return "1 call" if item.attempts == 1 else f"{item.attempts} calls"


def _times(count: int) -> str:
    return _TIMES.get(count, f"{count} times")


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None
