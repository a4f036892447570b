"""Delivers agents' replies to phones: in order, once, from the business number that the customer texted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from bridge.errors import (
    BridgeError,
    ChatNotKnownYetError,
    MalformedNotificationError,
    MaybeDeliveredError,
    NotDeliverableError,
    OutOfTimeError,
    TransientError,
    UnknownChatError,
)
from bridge.processing.attempt import Attempt
from bridge.processing.batch import Ledger
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
_CLAIM_MARGIN = 0.25
"""Seconds from the claim of a phone to the call for its first text, as far as the claim reckons with them."""
_LONGEST_WAIT = 1.5
"""Seconds for which a reply waits in its batch while another environment texts the same phone."""
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

    def claim_phone(self, initial_contact_id: str, *, seconds: float) -> tuple[Participants | None, float]:
        """To whom its replies go, and for how many seconds another environment texts them.

        If none does, they are this environment's for so many `seconds`. Participants stay after the end of the chat,
        since replies may follow it.
        """

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


@dataclass(slots=True)
class _Claim:
    """Only this environment sends replies of the chat to its phone, until then by the monotonic clock."""

    participants: Participants
    until: float


class ReplyDelivery:
    """The message handler of reply: sends replies as texts, and records which chats have ended.

    Parameters:
        rate_limiter: of SendTextMessage.
        max_lost_answers: so many answers to calls for one text may be lost before the reply fails.
    """

    def __init__(
        self,
        *,
        chats: ChatSessions,
        agents: AgentLine,
        phones: SmsSender,
        ledger: Ledger,
        rate_limiter: RateLimiter,
        max_lost_answers: int,
        clock: Clock,
    ) -> None:
        self._chats, self._agents, self._phones, self._ledger = chats, agents, phones, ledger
        self._rate_limiter, self._max_lost_answers, self._clock = rate_limiter, max_lost_answers, clock
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
        texts, options = self._texts(event)
        part = state.parts_done if state else 0
        claim = self._claim(attempt, texts=len(texts) - part)
        if not part and options != claim.participants.options:
            # Before the reply is sent, so that no answer arrives first. A reply without options withdraws earlier ones.
            self._chats.save_options(contact, options)
        while part < max(1, len(texts)):
            if texts:
                self._send(texts[part], claim, attempt)
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
                possible_duplicates=attempt.part_duplicates,
            )
            part = state.parts_done
        if not texts:
            return Skipped(message=message, reason="ignored", attempts=attempt.attempts, contact=contact)
        return Delivered(
            message=message,
            parts=attempt.parts,
            attempts=attempt.attempts,
            contact=contact,
            possible_duplicates=attempt.possible_duplicates,
            milliseconds=attempt.age_milliseconds,
        )

    def on_failed(self, attempt: Attempt[ChatEvent], error: BridgeError, *, gave_up: bool) -> None:
        """Tell the agent, best effort: the reply already is in the dead-letter queue."""
        if isinstance(error, (MalformedNotificationError, UnknownChatError)):
            return  # the bridge has no chat to write to
        contact = attempt.message.parsed.required().initial_contact_id
        line = failure_notice(error, gave_up=gave_up, maybe_delivered=attempt.lost_answers > 0)
        for _ in range(_NOTICE_ATTEMPTS):
            try:
                self._agents.tell_agent(contact, line)
            except TransientError:
                self._clock.sleep(_NOTICE_PAUSE)
            except Exception:  # no error here may cause a retry of the reply
                return
            else:
                return

    def _claim(self, attempt: Attempt[ChatEvent], *, texts: int) -> _Claim:
        """Claim the phone for so many texts. Waits while another environment texts it, if that does not take long.

        No claim is longer than the batch: one of an environment that was killed is in nobody's way for long.
        """
        while True:
            now = self._clock.monotonic()
            seconds = min((texts - 1) / _RECIPIENT_RATE, max(0.0, attempt.deadline - now)) + 1 / _RECIPIENT_RATE
            seconds = seconds + _CLAIM_MARGIN if texts else 0.0
            participants, wait = self._chats.claim_phone(attempt.message.group_id, seconds=seconds)
            if participants is None:
                break
            if not wait:
                return _Claim(participants, until=now + seconds)
            if wait > _LONGEST_WAIT or self._clock.monotonic() + wait >= attempt.deadline:
                raise OutOfTimeError("another environment texts the same phone", retry_after=wait)
            self._clock.sleep(wait)
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

    def _send(self, text: str, claim: _Claim, attempt: Attempt[ChatEvent]) -> None:
        phone, origin = claim.participants.customer_number, claim.participants.business_number_arn
        recipient = self._recipient_limiter(phone)

        def send() -> None:
            if not recipient.acquire(deadline=attempt.deadline):
                raise OutOfTimeError("other texts to the same phone left no room for it in this batch")
            self._rate_limiter.call(call, deadline=attempt.deadline, key=attempt.message.group_id)

        def call() -> None:
            if self._clock.monotonic() + 1 / _RECIPIENT_RATE > claim.until:  # it waited, or calls were repeated
                claim.until = self._claim(attempt, texts=1).until
            self._phones.send(text, to=phone, origin=origin)

        attempt.call(send, max_lost_answers=self._max_lost_answers)
        attempt.parts += 1

    def _recipient_limiter(self, phone: str) -> RateLimiter:
        with self._lock:  # the cache alone could create two for one phone
            return self._recipient_limiters(phone)

    def _new_recipient_limiter(self, _phone: str) -> RateLimiter:
        return RateLimiter(rate=_RECIPIENT_RATE, environments=1, clock=self._clock)


def failure_notice(error: BridgeError, *, gave_up: bool, maybe_delivered: bool = False) -> str:
    """The line for the agent. It appears as the customer's, so its wording must show that it is not."""
    reason = error.reason if isinstance(error, NotDeliverableError) else ""
    if isinstance(error, MaybeDeliveredError) or (maybe_delivered and not reason):
        return "[The text to the customer may not have been delivered: no answer came, and it is not sent again.]"
    because = NOT_DELIVERABLE.get(reason) or ("it could not be sent in time" if gave_up else "it was refused")
    return f"[The text to the customer was not delivered: {because}.]"
