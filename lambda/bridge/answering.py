"""Sending agents' replies to phones: each chat's in order, once, from the number that the customer texted.

What is done with each class of trouble is decided in `delivery`, as for texts the other way.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from bridge import interactive, sms
from bridge.compose import Plan
from bridge.config import Config
from bridge.delivery import Attempt, Clock, DeadLetters, InOrder, Memory, Report, jitter
from bridge.entry import Entry
from bridge.errors import (
    BridgeError,
    ChatNotKnownYetError,
    MalformedNotificationError,
    NotDeliverableError,
    TransientError,
    UnknownChatError,
)
from bridge.notification import Notification
from bridge.pacing import Pacer
from bridge.streamed import INTERACTIVE, Streamed

KNOWN_WITHIN = 120.0
"""Seconds for which a chat may be unknown: a flow can greet before the bridge has noted the chat that it started."""
_TO_ONE_PHONE = 1.0
"""Texts per second; "Message Parts per Second (MPS) limits" in the End User Messaging guide. It cannot be raised."""
_PHONES = 1000
_TELL_TRIES = 3
_BLANK = "there is nothing in it to show"

_BECAUSE = {
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": "they have opted out of texts from this number",
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": "this account may only text numbers that it has verified",
    "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": "texts to their country are blocked",
    "DESTINATION_COUNTRY_BLOCKED": "texts to their country are blocked",
    "COUNTRY_NOT_ENABLED": "texts to their country are not enabled",
    "INTERNATIONAL_SENDING_NOT_SUPPORTED": "this number cannot text abroad",
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": "this number cannot text their country",
    "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": "their number is blocked",
    "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT": "this month's spending limit for texts is reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Whom a chat is with: the customer's phone, our number, its ARN; `options` are those last offered, if any."""

    customer: str = field(repr=False)
    ours: str = field(repr=False)
    ours_arn: str
    options: tuple[str, ...] = field(default=(), repr=False)


class Chats(Protocol):
    """The chats that the bridge started, by InitialContactId. Every method may raise a TransientError."""

    def contact(self, initial_contact_id: str) -> Party | None:
        """Still there when the chat has ended: a goodbye may follow."""

    def end(self, initial_contact_id: str) -> None:
        """Close that very conversation, and no newer one. Often called for one that is closed already."""

    def remember_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        """What the numbers of the customer's next answer stand for; none takes back what was remembered."""


class Agents(Protocol):
    """The way into the chat itself. Both methods may raise any BridgeError."""

    def tell_agent(self, initial_contact_id: str, line: str) -> None: ...

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None: ...


class Phones(Protocol):
    def send(self, body: str, *, to: str, origin: str) -> None: ...


class Answers(InOrder):
    """Sends replies as texts, and notes which chats have ended."""

    def __init__(
        self,
        *,
        config: Config,
        chats: Chats,
        agents: Agents,
        phones: Phones,
        ledger: Memory,
        failed: DeadLetters,
        pacer: Pacer,
        clock: Clock | None = None,
        spread: Callable[[], float] = jitter,
    ) -> None:
        super().__init__(
            config=config, ledger=ledger, failed=failed, pacer=pacer, stage="reply", clock=clock, spread=spread
        )
        self._chats, self._agents, self._phones = chats, agents, phones
        self._turns = _Turns(self._clock)

    def _forward(self, attempt: Attempt, *, until: float) -> Report:
        entry = attempt.entry
        streamed = _streamed(entry)
        contact = streamed.initial_contact_id
        if streamed.kind == "nothing":
            return Report(entry=entry, result="ignored")
        if streamed.kind == "ended":
            self._chats.end(contact)
            return Report(entry=entry, result="ended", contact=contact)
        known = self._ledger.read(entry.text_key)
        attempt.noted_returns = known.retries if known else 0
        if known and known.finished:
            return self._duplicate(entry)
        party = self._party(streamed, entry)
        messages = self._messages(streamed)
        part = known.parts_done if known else 0
        if not part:
            self._offer(streamed, party)
        while part < max(1, len(messages)):
            if messages:
                self._text(attempt, messages[part], party, until=until)
            known = self._ledger.part_done(
                entry.text_key,
                entry.facts,
                plan=Plan(limit=sms.GSM_LIMIT),
                part=part,
                parts=max(1, len(messages)),
                attempts=attempt.take_attempts(),
                contact=contact,
                new_chat=False,
                entry_id=entry.entry_id,
                nothing_shown=None if messages else _BLANK,
            )
            part = known.parts_done
        return Report(
            entry=entry,
            result="forwarded" if messages else "ignored",
            parts=attempt.parts,
            attempts=attempt.attempts,
            contact=contact,
            milliseconds=self._milliseconds_since_sent(entry),
        )

    def _party(self, streamed: Streamed, entry: Entry) -> Party:
        party = self._chats.contact(streamed.initial_contact_id)
        if party is None and self._clock.now() - entry.queued_at < KNOWN_WITHIN:
            raise ChatNotKnownYetError("the chat of this reply is not noted yet")
        if party is None:
            raise UnknownChatError("no phone is noted for this chat: the bridge did not start it, or it is long over")
        return party

    def _messages(self, streamed: Streamed) -> tuple[str, ...]:
        """A file is a message of its own, so that a link that differs at the next try moves no cut."""
        text = interactive.text_of(streamed.content) if _is_interactive(streamed) else streamed.content
        files = (
            interactive.attachment_line(
                file.name,
                content_type=file.content_type,
                link=self._link(streamed.initial_contact_id, file.attachment_id),
            )
            for file in streamed.attachments
        )
        return (*sms.messages(text), *(message for line in files for message in sms.messages(line)))

    def _link(self, contact: str, attachment_id: str | None) -> str | None:
        """Nice to have: without one the line still says what was sent."""
        with suppress(BridgeError):
            return self._agents.attachment_link(contact, attachment_id) if attachment_id else None
        return None

    def _offer(self, streamed: Streamed, party: Party) -> None:
        """Before it is sent, so that no answer comes first. Whatever is said next takes the offer back: a "2" then
        answers that."""
        options = interactive.options_of(streamed.content) if _is_interactive(streamed) else ()
        if options != party.options:
            self._chats.remember_options(streamed.initial_contact_id, options)

    def _text(self, attempt: Attempt, message: str, party: Party, *, until: float) -> None:
        self._until_accepted(
            attempt,
            lambda: self._phones.send(message, to=party.customer, origin=party.ours_arn),
            until=until,
            turn=self._turns.of(party.customer),
        )
        attempt.parts += 1

    def _give_up(self, attempt: Attempt, error: BridgeError, *, gave_up: bool = False) -> Report:
        report = super()._give_up(attempt, error, gave_up=gave_up)
        report = replace(report, parts=attempt.parts)
        if report.result == "failed" and not isinstance(error, (MalformedNotificationError, UnknownChatError)):
            self._tell(_streamed(attempt.entry).initial_contact_id, not_delivered(error, gave_up=gave_up))
        return report

    def _tell(self, contact: str, line: str) -> None:
        """As well as it can be done: the reply itself is in failed, with its reason, whether the agent learns of it
        or not."""
        for _ in range(_TELL_TRIES):
            try:
                self._agents.tell_agent(contact, line)
            except TransientError:
                self._clock.sleep(0.2)
            except Exception:  # neither a refusal nor a defect sends the reply again
                return
            else:
                return


class _Turns:
    """A pace for each phone: its texts are a second apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._paces: OrderedDict[str, Pacer] = OrderedDict()

    def of(self, phone: str) -> Callable[[float], bool]:
        """Waits for the phone's turn; False where that would come after the given time."""
        with self._lock:
            pace = self._paces.pop(phone, None) or Pacer(
                rate=_TO_ONE_PHONE, environments=1, monotonic=self._clock.monotonic, sleep=self._clock.sleep
            )
            self._paces[phone] = pace
            if len(self._paces) > _PHONES:
                self._paces.popitem(last=False)
        return lambda until: pace.take(until=until)


def not_delivered(error: BridgeError, *, gave_up: bool) -> str:
    """What the agent reads, in words that nobody takes for the customer's."""
    reason = error.reason if isinstance(error, NotDeliverableError) else ""
    because = _BECAUSE.get(reason) or ("it could not be sent in time" if gave_up else "it was refused")
    return f"[The text to the customer was not delivered: {because}.]"


def _streamed(entry: Entry) -> Streamed:
    return Streamed.from_notification(entry.notification or Notification.from_entry(entry.body))


def _is_interactive(streamed: Streamed) -> bool:
    return streamed.content_type.startswith(INTERACTIVE)
