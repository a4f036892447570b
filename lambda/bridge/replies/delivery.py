"""Delivers agents' replies to phones: in order, once, from the business number that the customer texted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Protocol

from bridge.errors import (
    BridgeError,
    ChatNotKnownYetError,
    MalformedNotificationError,
    NotDeliverableError,
    TransientError,
    UnknownChatError,
)
from bridge.processing.batch import Attempt, Ledger
from bridge.processing.clock import Clock
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.result import Delivered, Skipped
from bridge.processing.state import DeliveryState, SplitPlan
from bridge.replies import interactive, sms_segments
from bridge.replies.chat_events import ChatEvent
from bridge.replies.participants import Participants

UNKNOWN_CHAT_GRACE_SECONDS = 120.0
"""How long the chat of a reply may be unrecorded: a flow can send a greeting before its chat is recorded."""
_RECIPIENT_RATE = 1.0
"""Texts per second to one phone; "Message Parts per Second (MPS) limits" in the AWS End User Messaging SMS user guide.
It cannot be raised."""
_RECIPIENTS = 1000
"""Phones whose rate limiters an environment keeps."""
_NOTICE_ATTEMPTS = 3
_NOTICE_PAUSE = 0.2
_BLANK = "there is nothing in it to show"
_SPLIT = SplitPlan(limit=sms_segments.GSM_LIMIT)

NOT_DELIVERABLE: Mapping[str, str] = {
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
"""Reasons of End User Messaging for which no retry within give_up_after can reach a phone, and what the agent reads."""


class ChatSessions(Protocol):
    """The chats that the bridge started, by InitialContactId. Every method may raise a TransientError."""

    def participants(self, initial_contact_id: str) -> Participants | None:
        """Also after the end of the chat, since replies may follow it."""

    def end(self, initial_contact_id: str) -> None:
        """Record that this very chat ended, and not a newer one of the conversation. Idempotent."""

    def save_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        """Save the titles that numbers in the customer's next answer select; an empty tuple withdraws them."""


class AgentLine(Protocol):
    """Access to the chat of a reply. Both methods may raise any BridgeError."""

    def tell_agent(self, initial_contact_id: str, line: str) -> None: ...

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None: ...


class SmsSender(Protocol):
    def send(self, body: str, *, to: str, origin: str) -> None: ...


class ReplyDelivery:
    """The message handler of reply: sends replies as texts, and records which chats have ended.

    Parameters:
        rate_limiter: of SendTextMessage.
    """

    def __init__(
        self,
        *,
        chats: ChatSessions,
        agents: AgentLine,
        phones: SmsSender,
        ledger: Ledger,
        rate_limiter: RateLimiter,
        clock: Clock,
    ) -> None:
        self._chats, self._agents, self._phones, self._ledger = chats, agents, phones, ledger
        self._rate_limiter, self._clock = rate_limiter, clock
        self._recipient_limiters = lru_cache(maxsize=_RECIPIENTS)(self._new_recipient_limiter)
        self._lock = threading.Lock()

    def deliver(
        self, content: ChatEvent, attempt: Attempt[ChatEvent], state: DeliveryState | None
    ) -> Delivered | Skipped:
        """Resumes after the last text that End User Messaging accepted."""
        event, message = content, attempt.message
        contact = event.initial_contact_id
        if event.kind == "ended":
            self._chats.end(contact)
            return Skipped(message=message, reason="ended", contact=contact)
        participants = self._participants(event, attempt)
        texts, options = self._texts(event)
        part = state.parts_done if state else 0
        if not part and options != participants.options:
            # Before the reply is sent, so that no answer arrives first. A reply without options withdraws earlier ones.
            self._chats.save_options(contact, options)
        while part < max(1, len(texts)):
            if texts:
                self._send(texts[part], participants, attempt)
            state = self._ledger.record_part(
                message.key,
                message.metadata,
                split=_SPLIT,
                part=part,
                parts=max(1, len(texts)),
                attempts=attempt.take_attempts(),
                contact=contact,
                message_id=message.message_id,
                nothing_shown=None if texts else _BLANK,
            )
            part = state.parts_done
        if not texts:
            return Skipped(message=message, reason="ignored", attempts=attempt.attempts, contact=contact)
        return Delivered(
            message=message,
            parts=attempt.parts,
            attempts=attempt.attempts,
            contact=contact,
            milliseconds=attempt.age_milliseconds,
        )

    def on_failed(self, attempt: Attempt[ChatEvent], error: BridgeError, *, gave_up: bool) -> None:
        """Tell the agent, best effort: the reply already is in the dead-letter queue."""
        if isinstance(error, (MalformedNotificationError, UnknownChatError)):
            return  # the bridge has no chat to write to
        contact = attempt.message.parsed.required().initial_contact_id
        line = failure_notice(error, gave_up=gave_up)
        for _ in range(_NOTICE_ATTEMPTS):
            try:
                self._agents.tell_agent(contact, line)
            except TransientError:
                self._clock.sleep(_NOTICE_PAUSE)
            except Exception:  # no error here may cause a retry of the reply
                return
            else:
                return

    def _participants(self, event: ChatEvent, attempt: Attempt[ChatEvent]) -> Participants:
        participants = self._chats.participants(event.initial_contact_id)
        if participants:
            return participants
        if self._clock.now() - attempt.message.queued_at < UNKNOWN_CHAT_GRACE_SECONDS:
            raise ChatNotKnownYetError("the chat of this reply is not recorded yet")
        raise UnknownChatError("no phone number is recorded for this chat: not started by the bridge, or expired")

    def _texts(self, event: ChatEvent) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The text messages, and the options in them.

        Each file is a message of its own: its link differs at the next attempt, which must not change the split.
        """
        text, options = interactive.render(event.content) if event.is_interactive else (event.content, ())
        files = (
            interactive.attachment_line(
                file.name,
                content_type=file.content_type,
                link=self._link(event.initial_contact_id, file.attachment_id),
            )
            for file in event.attachments
        )
        lines = (segment for line in files for segment in sms_segments.messages(line))
        return (*sms_segments.messages(text), *lines), options

    def _link(self, contact: str, attachment_id: str | None) -> str | None:
        """Best effort: without a link, the line still names the file."""
        with suppress(BridgeError):
            return self._agents.attachment_link(contact, attachment_id) if attachment_id else None
        return None

    def _send(self, text: str, participants: Participants, attempt: Attempt[ChatEvent]) -> None:
        attempt.call(
            lambda: self._phones.send(text, to=participants.customer_number, origin=participants.business_number_arn),
            rate_limiter=self._rate_limiter,
            recipient_limiter=self._recipient_limiter(participants.customer_number),
        )
        attempt.parts += 1

    def _recipient_limiter(self, phone: str) -> RateLimiter:
        with self._lock:  # the cache alone could create two for one phone
            return self._recipient_limiters(phone)

    def _new_recipient_limiter(self, _phone: str) -> RateLimiter:
        return RateLimiter(rate=_RECIPIENT_RATE, environments=1, clock=self._clock)


def failure_notice(error: BridgeError, *, gave_up: bool) -> str:
    """The line for the agent. It appears as the customer's, so its wording must show that it is not."""
    reason = error.reason if isinstance(error, NotDeliverableError) else ""
    because = NOT_DELIVERABLE.get(reason) or ("it could not be sent in time" if gave_up else "it was refused")
    return f"[The text to the customer was not delivered: {because}.]"
