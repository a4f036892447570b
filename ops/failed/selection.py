"""Which failed texts are meant: the options that `bridge failed` takes, and what they say of a text. No AWS here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

import typer

from bridge.errors import BridgeError
from bridge.replies.participants import Participants
from bridge.texts.sms_event import conversation_id
from infra.config.values import seconds
from ops.failed.letters import MOVED_BY_SQS, Letter
from ops.failed.parcels import NOT_HANDED_OVER, NOT_TAKEN, Parcel
from ops.ledger import Item

ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="Only with this error, such as UnknownNumberError.")
]
NumberOption = Annotated[
    str | None, typer.Option("--number", metavar="NUMBER", help="Only of this customer, or to this number of yours.")
]
OlderOption = Annotated[
    str | None, typer.Option("--older", metavar="DURATION", help="Only what failed longer ago than this, such as 2h.")
]
NewerOption = Annotated[
    str | None, typer.Option("--newer", metavar="DURATION", help="Only what failed less long ago than this.")
]
IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Text keys, their beginnings, or SNS MessageIds.", show_default=False),
]
_CLOCKS = timedelta(seconds=2)
"""By so much the clocks of SQS may differ, and the one that says when it was asked leaves out parts of seconds."""
PartyOf = Callable[[str], Participants | None]
"""Whom a chat is with, by its contact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The options as they were given."""

    reason: str | None = None
    number: str | None = field(default=None, repr=False)
    older: str | None = None
    newer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Everything where nothing is said. Those with all that is said, where something is.

    `planned_at` is when it was looked at what there is to be done: nobody was told of what came later, or asked.
    """

    ids: frozenset[str] = frozenset()
    reason: str | None = None
    number: str | None = field(default=None, repr=False)
    failed_before: datetime | None = None
    failed_after: datetime | None = None
    planned_at: datetime | None = None
    party_of: PartyOf = lambda _: None

    @classmethod
    def of(
        cls, filters: Filters, *, ids: Iterable[str] = (), now: datetime, party_of: PartyOf = lambda _: None
    ) -> Selection:
        """What the options say. Raises typer.BadParameter."""
        if filters.reason and filters.reason not in reasons():
            raise typer.BadParameter(f"no error is called {filters.reason}; one of {', '.join(reasons())}")
        return cls(
            ids=frozenset(ids),
            reason=filters.reason,
            number=filters.number.strip() if filters.number else None,
            failed_before=now - _duration("--older", filters.older) if filters.older else None,
            failed_after=now - _duration("--newer", filters.newer) if filters.newer else None,
            party_of=party_of,
        )

    @property
    def everything(self) -> bool:
        return not (self.ids or self.reason or self.number or self.failed_before or self.failed_after)

    @property
    def in_failed(self) -> bool:
        """Whether any of it can be there."""
        return self.reason not in (NOT_HANDED_OVER, NOT_TAKEN)

    @property
    def in_undelivered(self) -> bool:
        return self.reason in (None, NOT_HANDED_OVER, NOT_TAKEN)

    def all_in(self, seen: Collection[str]) -> bool:
        """Whether single ones are meant, and all of them were seen."""
        return bool(self.ids) and self.ids <= set(seen)

    def has_item(self, item: Item) -> bool:
        ids = {item.text_key, *([item.sns_message_id] if item.sns_message_id else [])}
        return self._has(ids, item.failed_error, item.failed_at) and (
            self.number is None or self.number in self._phones(item)
        )

    def has(self, entry: Letter | Parcel) -> bool:
        return self._has_letter(entry) if isinstance(entry, Letter) else self._has_parcel(entry)

    def _has_letter(self, letter: Letter) -> bool:
        return self._has(letter.ids, letter.error, letter.failed_at) and (
            self.number is None or self.number in (letter.customer, letter.ours, *self._of_chat(letter.contact))
        )

    def _has_parcel(self, parcel: Parcel) -> bool:
        return self._has(parcel.ids, parcel.kind, parcel.sent_at) and (
            self.number is None
            or self.number in parcel.numbers
            or any(self.number in self._of_chat(contact) for contact in parcel.contacts)
        )

    def is_later(self, entry: Letter | Parcel) -> bool:
        """Whether it came when all was planned already: it is left, so that a run has an end."""
        return self.planned_at is not None and entry.came_at > self.planned_at + _CLOCKS

    def _has(self, ids: Collection[str], error: str | None, failed_at: datetime | None) -> bool:
        return (
            (not self.ids or not self.ids.isdisjoint(ids))
            and self.reason in (None, error)
            and (self.failed_before is None or (failed_at is not None and failed_at < self.failed_before))
            and (self.failed_after is None or (failed_at is not None and failed_at >= self.failed_after))
        )

    def _phones(self, item: Item) -> Collection[str | None]:
        """The numbers that a text is known to be of, as far as this can be told for the one that is asked for."""
        if item.direction == "out":
            return self._of_chat(item.conversation)
        customer = self.number if item.conversation == conversation_id(self.number or "", item.ours or "") else None
        return (item.ours, customer)

    def _of_chat(self, contact: str | None) -> Collection[str | None]:
        party = self.party_of(contact) if contact else None
        return (party.customer_number, party.business_number) if party else ()


def reasons() -> list[str]:
    """All that --reason can be."""
    found, left = list[str](), [BridgeError]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if not kind.__subclasses__():
            found.append(kind.__name__)
    return [*sorted(found), MOVED_BY_SQS, NOT_HANDED_OVER, NOT_TAKEN]


def _duration(option: str, given: str) -> timedelta:
    found = seconds(given)
    if found is None:
        raise typer.BadParameter(f"{option} {given}: a duration is a number with its unit, such as 30m, 6h or 2d")
    return timedelta(seconds=found)
