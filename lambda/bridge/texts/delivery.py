"""Delivers a text into a chat: its parts in order, each once, through the transport of the business number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.config import Config, Delivery, Route
from bridge.errors import UnexpectedError, UnknownNumberError, last_digits
from bridge.processing.attempt import Attempt
from bridge.processing.batch import Ledger
from bridge.processing.clock import Clock
from bridge.processing.result import Delivered, Skipped
from bridge.processing.state import DeliveryState, SplitPlan
from bridge.texts.chat_messages import ChatPart, NewSession, chat_parts, new_session, split_plan
from bridge.texts.sms_event import InboundSms

_NO_CHAT_ENDED = "a disconnect keyword, and no chat was open that it could have ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRequest:
    """Part `number` (from 0) of a text, with what a transport needs to deliver it.

    Parameters:
        deadline: by the monotonic clock, in seconds: no call begins after it.
        opens_chat: whether it may start a chat. False for a disconnect keyword.
        throttled_before: so many of its latest retries, without another between them, were for throttling.
    """

    part: ChatPart
    number: int
    sms: InboundSms
    route: Route
    session: NewSession
    deadline: float
    opens_chat: bool = True
    throttled_before: int = 0

    @property
    def client_token(self) -> str:
        """The same for each attempt of this part."""
        return f"{self.sms.text_key}-{self.number}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Connect accepted the part. `contact` is its InitialContactId, which may be absent."""

    contact: str | None
    new_chat: bool = False


@dataclass(frozen=True, slots=True)
class NoOpenChat:
    """No chat was open: a DISCONNECT had none to end, and a disconnect keyword starts none."""


class ChatTransport(Protocol):
    """Delivers parts into a chat, by one of Connect's APIs."""

    @property
    def idempotent(self) -> bool:
        """Whether Connect recognises a part that is sent into the same chat again."""

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        """Make the calls for a part, each when the rate limiter of its API allows it.

        Raises RejectedError, TransientErrors and BlockedErrors.
        """


class TextDelivery:
    """The message handler of forward.

    Parameters:
        transports: by the `delivery` of a route; only those that the function's environment allows.
    """

    def __init__(
        self, *, config: Config, ledger: Ledger, transports: Mapping[Delivery, ChatTransport], clock: Clock
    ) -> None:
        self._config, self._ledger, self._transports, self._clock = config, ledger, transports, clock

    def deliver(
        self, content: InboundSms, attempt: Attempt[InboundSms], state: DeliveryState | None
    ) -> Delivered | Skipped:
        """Resumes after the last part that Connect accepted."""
        sms, message, chat = content, attempt.message, self._config.chat
        route = self._route(sms)
        split = state.split if state and state.split else self._split(sms, attempt)
        parts = chat_parts(sms, split, chat)
        session = new_session(sms, route, chat)
        part = state.parts_done if state else 0
        while part < len(parts):
            request = PartRequest(
                part=parts[part],
                number=part,
                sms=sms,
                route=route,
                session=session,
                deadline=attempt.deadline,
                opens_chat=not split.ends_chat,
                throttled_before=attempt.throttled,
            )
            answer = self._send(request, attempt)
            nothing_to_end = isinstance(answer, NoOpenChat) and part == 0
            state = self._ledger.record_part(
                sms.text_key,
                message.metadata,
                split=split,
                part=part,
                parts=1 if nothing_to_end else len(parts),
                attempts=attempt.take_attempts(),
                contact=answer.contact if isinstance(answer, Accepted) else None,
                new_chat=isinstance(answer, Accepted) and answer.new_chat,
                message_id=message.message_id,
                nothing_shown=_NO_CHAT_ENDED if nothing_to_end else None,
                possible_duplicates=attempt.part_duplicates,
            )
            part = state.parts_done
            if state.outcome == "ignored":
                break
            if state.split and state.split != split:  # another worker has recorded a part of another split
                split = state.split
                parts = chat_parts(sms, split, chat)
        if state and state.outcome == "ignored":
            return Skipped(message=message, reason="ignored", parts=attempt.parts, attempts=attempt.attempts)
        return Delivered(
            message=message,
            parts=attempt.parts,
            attempts=attempt.attempts,
            contact=state.contact if state else None,
            new_chat=attempt.new_chat,
            possible_duplicates=attempt.possible_duplicates,
            milliseconds=attempt.age_milliseconds,
        )

    def on_failed(self, attempt: Attempt[InboundSms], error: Exception, *, gave_up: bool) -> None:
        """No-op: nobody is notified of a failed text."""

    def _split(self, sms: InboundSms, attempt: Attempt[InboundSms]) -> SplitPlan:
        """The split plan of the text, saved before part 1 is sent if there are several parts.

        If part 1's response is lost and a retry split the text differently, Connect would drop the new part 1 as a
        duplicate of the old client token.
        """
        chat, limits = self._config.chat, self._config.limits
        message = attempt.message
        plan = split_plan(sms, sent_at=message.sent_at, now=self._clock.now(), chat=chat, limits=limits)
        if len(chat_parts(sms, plan, chat)) > 1:
            return self._ledger.save_split(sms.text_key, message.metadata, split=plan)
        return plan

    def _route(self, sms: InboundSms) -> Route:
        try:
            return self._config.routes[sms.destination_number]
        except KeyError as exc:
            number = last_digits(sms.destination_number)
            raise UnknownNumberError(
                f"bridge.toml has no number {number}: add a [[numbers]] block, deploy, redrive"
            ) from exc

    def _send(self, request: PartRequest, attempt: Attempt[InboundSms]) -> Accepted | NoOpenChat:
        transport = self._transports.get(request.route.delivery)
        if transport is None:  # not through the other API, which the account may not be allowed to call
            raise UnexpectedError(
                "a number has start-chat delivery, and the function's environment lacks what it needs"
            )
        idempotent = transport.idempotent or request.part.type == "DISCONNECT"
        answer = attempt.call(lambda: transport.send(request), idempotent=idempotent)
        if isinstance(answer, Accepted):
            attempt.parts += 1
            if answer.new_chat:
                attempt.new_chat = True
                if transport.idempotent:  # within one chat
                    attempt.not_recognised()
        return answer
