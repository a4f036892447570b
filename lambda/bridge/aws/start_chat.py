"""The transport of start-chat delivery: start a chat, connect the customer, send messages. Every account may call it.

Source: StartChatContact in the Amazon Connect API reference; CreateParticipantConnection, SendMessage and
DisconnectParticipant in that of the Amazon Connect participant service.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.aws.chat_sessions import ChatSession, ChatSessions
from bridge.aws.errors import SDK_ERRORS, connect_error, error_code
from bridge.config import StartChatRoute
from bridge.errors import (
    AccessRefusedError,
    AnswerLostError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.processing.clock import Clock
from bridge.processing.rate_limiter import RateLimiter
from bridge.replies import interactive
from bridge.replies.participants import Participants
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_LONGEST_ANSWER = 8
_START_WAIT = 0.1
"""Seconds for which a text whose chat has to be started waits for a token of the rate limiter within a batch."""
_FULL_AFTER = 60.0
"""Seconds for which Connect throttles every new chat and accepts messages, until that is taken for a full instance."""
_RENEW_SECONDS = 3600.0
"""A connection token is valid for a day, less than a chat: it is renewed this long before it expires."""


class _ChatEndedError(Exception):
    """The chat has ended, or its token has expired: the participant service answers AccessDenied to both."""


class StartChat:
    """One chat per conversation, kept open between texts.

    Client tokens make each call idempotent. That of StartChatContact is the text key and the chat's generation: a retry
    gets the same chat, and a replacement a new one. That of SendMessage is the text key and the part's number.

    Parameters:
        message_limiter, start_limiter, connection_limiter, disconnect_limiter: of SendMessage, StartChatContact,
            CreateParticipantConnection and DisconnectParticipant.
    """

    idempotent = True

    def __init__(
        self,
        *,
        connect: ConnectClient,
        participant: Any,
        chats: ChatSessions,
        message_limiter: RateLimiter,
        start_limiter: RateLimiter,
        connection_limiter: RateLimiter,
        disconnect_limiter: RateLimiter,
        streaming_topic_arn: str,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or Clock()
        self._connect, self._participant, self._chats = connect, participant, chats
        self._message_limiter = message_limiter
        self._start_limiter, self._connection_limiter = start_limiter, connection_limiter
        self._disconnect_limiter = disconnect_limiter
        self._topic, self._now, self._monotonic = streaming_topic_arn, clock.now, clock.monotonic

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        """Show the part in the open chat or in a new one. Idempotent while the chat is open.

        Raises RejectedError, TransientErrors and BlockedErrors.
        """
        conversation = request.sms.conversation_id
        chat = self._chats.latest(conversation)
        if request.part.type == "DISCONNECT":
            try:
                return self._disconnect(request, chat)
            except (RejectedError, NotFoundError):
                return NoOpenChat()
        if chat and not chat.ended:
            try:
                if chat.first_client_token != request.client_token:
                    return self._send_message(request, chat)
                self._connected(request, chat)  # the chat was started with this part; the customer may not be connected
                return Accepted(chat.contact, new_chat=True)
            except _ChatEndedError as exc:
                self._record_end(request, chat, exc)
        if not request.opens_chat:
            return NoOpenChat()
        return self._start(request, generation=chat.generation + 1 if chat else 1)

    def _start(self, request: PartRequest, *, generation: int) -> Accepted:
        """A new chat with the part in it.

        A new chat that accepts nothing is ended again. If that is refused as well, it may have ended or may be open.
        It then stays the conversation's chat, so that no second one is started: until Connect streams that it has
        ended, or until its duration is over.
        """
        route, sms = _start_chat_route(request), request.sms
        initial = route.first_text == "initial-message"
        arguments: dict[str, Any] = {
            "InstanceId": route.instance_id,
            "ContactFlowId": route.contact_flow_id,
            "ParticipantDetails": {"DisplayName": request.session.display_name},
            "Attributes": dict(request.session.attributes),
            "ChatDurationInMinutes": route.chat_minutes,
            "SupportedMessagingContentTypes": list(request.session.supported_content_types),
            "ChatStreamingConfiguration": {"StreamingEndpointArn": self._topic},
            "ClientToken": f"{sms.text_key}:{generation}",
        }
        if initial:  # another chat than one that an earlier attempt started without the message
            arguments["ClientToken"] += ":initial-message"
            arguments["InitialMessage"] = {"ContentType": "text/plain", "Content": request.part.content}
        response = self._start_chat_contact(arguments, request)
        chat = ChatSession(
            generation=generation,
            contact=response["ContactId"],
            participant_token=response["ParticipantToken"],
            first_client_token=request.client_token if initial else None,
        )
        participants = Participants(
            customer_number=sms.origination_number,
            business_number=sms.destination_number,
            business_number_arn=request.route.arn,
        )
        self._chats.record_start(sms.conversation_id, participants, chat)
        try:
            if initial:
                self._connected(request, chat)
            else:
                self._send_message(request, chat)
        except _ChatEndedError as exc:
            self._end_refused(request, chat)
            raise AccessRefusedError("Connect accepted nothing in a new chat") from exc
        return Accepted(chat.contact, new_chat=True)

    def _record_end(self, request: PartRequest, chat: ChatSession, cause: _ChatEndedError) -> None:
        """Raises AccessRefusedError where the chat may be open: nothing was ever accepted in it."""
        over_after = _start_chat_route(request).chat_minutes * 60
        if chat.refused_at is not None and self._now() - chat.refused_at < over_after:
            self._end_refused(request, chat)
            raise AccessRefusedError("Connect accepts nothing in the chat that was started for it") from cause
        self._chats.record_end(request.sms.conversation_id, chat.contact)

    def _end_refused(self, request: PartRequest, chat: ChatSession) -> None:
        """End a chat that accepts nothing, or record that it may be open."""
        conversation = request.sms.conversation_id
        latest = self._chats.latest(conversation)  # with the connection token, where the customer was connected
        if latest and latest.contact == chat.contact and latest.connection_token:
            with suppress(BridgeError, _ChatEndedError):
                self._disconnect_participant(request, latest)
                self._chats.record_end(conversation, chat.contact)
                return
        self._chats.record_refusal(conversation, chat.contact)

    def _disconnect_participant(self, request: PartRequest, chat: ChatSession) -> None:
        self._call(
            lambda: self._participant.disconnect_participant(
                ClientToken=request.client_token, ConnectionToken=chat.connection_token or ""
            ),
            request,
            limiter=self._disconnect_limiter,
        )

    def _start_chat_contact(self, arguments: dict[str, Any], request: PartRequest) -> Any:
        """A text without a token returns to its queue at once: texts for open chats wait in the same batch."""
        try:
            return self._call(
                lambda: self._connect.start_chat_contact(**arguments),
                request,
                limiter=self._start_limiter,
                deadline=self._monotonic() + _START_WAIT,
                carries_token=False,
            )
        except ThrottledError as exc:
            if self._start_limiter.refusing_for >= _FULL_AFTER > self._message_limiter.accepted_ago:
                raise ChatLimitError(f"Connect accepts messages in open chats and starts no chat: {exc}") from exc
            raise

    def _send_message(self, request: PartRequest, chat: ChatSession) -> Accepted:
        chat = self._connected(request, chat)
        chosen = self._chosen_option(request.part.content, chat)
        self._call(
            lambda: self._participant.send_message(
                ContentType="text/plain",
                Content=chosen or request.part.content,
                ClientToken=request.client_token,
                ConnectionToken=chat.connection_token or "",
            ),
            request,
            limiter=self._message_limiter,
        )
        if chat.refused_at:
            self._chats.record_acceptance(request.sms.conversation_id, chat.contact)
        return Accepted(chat.contact)

    def _chosen_option(self, answer: str, chat: ChatSession) -> str | None:
        """The title of the option that `answer` selects by its number, if options were offered."""
        if len(answer) > _LONGEST_ANSWER or not any(map(str.isdigit, answer)):
            return None
        participants = self._chats.participants(chat.contact)
        return interactive.choice(answer, participants.options) if participants else None

    def _disconnect(self, request: PartRequest, chat: ChatSession | None) -> Accepted | NoOpenChat:
        if chat is None or chat.ended:
            return NoOpenChat()
        try:
            self._disconnect_participant(request, self._connected(request, chat))
        except _ChatEndedError as exc:
            self._record_end(request, chat, exc)
            return NoOpenChat()
        self._chats.record_end(request.sms.conversation_id, chat.contact)
        return Accepted(chat.contact)

    def _connected(self, request: PartRequest, chat: ChatSession) -> ChatSession:
        """The chat with a valid connection token. The first connection starts the flow."""
        if chat.connection_token and chat.token_expires_at - self._now() > _RENEW_SECONDS:
            return chat
        response = self._call(
            lambda: self._participant.create_participant_connection(
                Type=["CONNECTION_CREDENTIALS"], ParticipantToken=chat.participant_token, ConnectParticipant=True
            ),
            request,
            limiter=self._connection_limiter,
        )
        credentials = response["ConnectionCredentials"]
        connected = replace(
            chat,
            connection_token=credentials["ConnectionToken"],
            token_expires_at=datetime.fromisoformat(credentials["Expiry"]).timestamp(),
        )
        self._chats.record_connection(request.sms.conversation_id, connected)
        return connected

    def _call(
        self,
        call: Callable[[], Any],
        request: PartRequest,
        *,
        limiter: RateLimiter,
        deadline: float | None = None,
        carries_token: bool = True,
    ) -> Any:
        """`deadline`: if the call is to wait for a token less long than the batch allows."""

        def translated() -> Any:
            try:
                return call()
            except SDK_ERRORS as exc:
                if carries_token and error_code(exc) == "AccessDeniedException":
                    raise _ChatEndedError from exc
                error = connect_error(exc)
                if isinstance(error, AnswerLostError) and limiter is not self._message_limiter:
                    error = UnavailableError(str(error))  # repeated, these calls show nothing twice
                raise error from exc

        return limiter.call(
            translated, deadline=min(deadline or request.deadline, request.deadline), key=request.sms.conversation_id
        )


class AgentLine:
    """Access to the chats that the bridge started, for replies."""

    def __init__(self, *, participant: Any, chats: ChatSessions) -> None:
        self._participant, self._chats = participant, chats

    def tell_agent(self, initial_contact_id: str, line: str) -> None:
        """Send a line into the chat, as the customer: its wording must show that it is not theirs."""
        if token := self._token(initial_contact_id):
            self._call(
                lambda: self._participant.send_message(ContentType="text/plain", Content=line, ConnectionToken=token)
            )

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None:
        """A URL of the file, valid for interactive.LINK_SECONDS; None once the chat has ended."""
        token = self._token(initial_contact_id)
        if token is None:
            return None
        response = self._call(
            lambda: self._participant.get_attachment(
                AttachmentId=attachment_id, ConnectionToken=token, UrlExpiryInSeconds=interactive.LINK_SECONDS
            )
        )
        return str(response["Url"])

    def _token(self, initial_contact_id: str) -> str | None:
        """The connection token of this very chat while it is open."""
        conversation = self._chats.conversation_of(initial_contact_id)
        chat = self._chats.latest(conversation) if conversation else None
        if chat is None or chat.ended or chat.contact != initial_contact_id:
            return None
        return chat.connection_token

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except SDK_ERRORS as exc:
            raise connect_error(exc) from exc


def _start_chat_route(request: PartRequest) -> StartChatRoute:
    if request.route.start_chat is None:
        raise BridgeError("a route without start_chat was given to StartChat")
    return request.route.start_chat
