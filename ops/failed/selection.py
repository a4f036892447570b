"""Which failed texts a command acts on: its options, and whether a text or message matches them. No AWS here."""

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
from ops.failed.messages import MOVED_BY_SQS, NOT_HANDED_OVER, NOT_TAKEN, DeadLetterMessage
from ops.ledger import LedgerRecord

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
_CLOCK_SKEW = timedelta(seconds=2)
"""SQS's clocks may differ by this much, and an HTTP date has no fractions of a second."""
ParticipantsOf = Callable[[str], Participants | None]
"""The participants of a chat, by its contact id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The options as they were given."""

    reason: str | None = None
    number: str | None = field(default=None, repr=False)
    older: str | None = None
    newer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What matches all the options given; everything if there are none.

    `planned_at` is when the command looked at the queues. The user was not told of messages that came later.
    """

    ids: frozenset[str] = frozenset()
    reason: str | None = None
    number: str | None = field(default=None, repr=False)
    failed_before: datetime | None = None
    failed_after: datetime | None = None
    planned_at: datetime | None = None
    participants_of: ParticipantsOf = lambda _: None

    @classmethod
    def of(
        cls,
        filters: Filters,
        *,
        ids: Iterable[str] = (),
        now: datetime,
        participants_of: ParticipantsOf = lambda _: None,
    ) -> Selection:
        """Raises typer.BadParameter."""
        if filters.reason and filters.reason not in reasons():
            raise typer.BadParameter(f"no error is called {filters.reason}; one of {', '.join(reasons())}")
        return cls(
            ids=frozenset(ids),
            reason=filters.reason,
            number=filters.number.strip() if filters.number else None,
            failed_before=now - _duration("--older", filters.older) if filters.older else None,
            failed_after=now - _duration("--newer", filters.newer) if filters.newer else None,
            participants_of=participants_of,
        )

    @property
    def everything(self) -> bool:
        return not (self.ids or self.reason or self.number or self.failed_before or self.failed_after)

    @property
    def in_failed(self) -> bool:
        """Whether a message of failed can match."""
        return self.reason not in (NOT_HANDED_OVER, NOT_TAKEN)

    @property
    def in_undelivered(self) -> bool:
        return self.reason in (None, NOT_HANDED_OVER, NOT_TAKEN)

    def all_in(self, seen: Collection[str]) -> bool:
        """Whether ids are given and all of them are in `seen`."""
        return bool(self.ids) and self.ids <= set(seen)

    def has_record(self, record: LedgerRecord) -> bool:
        ids = {record.text_key, *([record.sns_message_id] if record.sns_message_id else [])}
        return self._matches(ids, record.failed_error, record.failed_at) and (
            self.number is None or self.number in self._numbers_of(record)
        )

    def has(self, message: DeadLetterMessage) -> bool:
        return self._matches(message.ids, message.error, message.failed_at) and (
            self.number is None
            or self.number in message.numbers
            or any(self.number in self._numbers_in_chat(contact) for contact in message.contacts)
        )

    def is_later(self, message: DeadLetterMessage) -> bool:
        """Whether it arrived after the command looked. Such messages are left, so that a run ends."""
        return self.planned_at is not None and message.arrived_at > self.planned_at + _CLOCK_SKEW

    def _matches(self, ids: Collection[str], error: str | None, failed_at: datetime | None) -> bool:
        return (
            (not self.ids or not self.ids.isdisjoint(ids))
            and self.reason in (None, error)
            and (self.failed_before is None or (failed_at is not None and failed_at < self.failed_before))
            and (self.failed_after is None or (failed_at is not None and failed_at >= self.failed_after))
        )

    def _numbers_of(self, record: LedgerRecord) -> Collection[str | None]:
        """The ledger has no customer number: whether it is the one asked for, the hash of the conversation tells."""
        if record.direction == "out":
            return self._numbers_in_chat(record.conversation)
        asked_for = self.number or ""
        is_customer = record.conversation == conversation_id(asked_for, record.business_number or "")
        return (record.business_number, asked_for if is_customer else None)

    def _numbers_in_chat(self, contact: str | None) -> Collection[str | None]:
        chat = self.participants_of(contact) if contact else None
        return (chat.customer_number, chat.business_number) if chat else ()


@dataclass(slots=True, kw_only=True)
class Selected:
    """What a run found so far, by message id.

    Parameters:
        left: not selected.
        later: selected, but arrived later.
        seen: all ids of what was selected, later ones too.
        hidden: about how many messages of failed another run kept hidden to the end.
    """

    left: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    hidden: int = 0

    def add(self, message: DeadLetterMessage, selection: Selection) -> bool:
        """Returns whether the run acts on this message."""
        if not selection.has(message):
            self.left.add(message.message_id)
            return False
        self.seen.update(message.ids)
        if selection.is_later(message):
            self.later.add(message.message_id)
            return False
        return True


def reasons() -> list[str]:
    """All error codes that --reason takes."""
    found, left = list[str](), [BridgeError]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if not kind.__subclasses__():
            found.append(kind("").code)
    return [*sorted(found), MOVED_BY_SQS, NOT_HANDED_OVER, NOT_TAKEN]


def _duration(option: str, given: str) -> timedelta:
    found = seconds(given)
    if found is None:
        raise typer.BadParameter(f"{option} {given}: a duration is a number with its unit, such as 30m, 6h or 2d")
    return timedelta(seconds=found)
