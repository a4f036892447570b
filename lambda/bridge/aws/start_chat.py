"""The transport of start-chat delivery: start a chat, connect the customer, send messages. Every account may call it.

Source: StartChatContact in the Amazon Connect API reference; CreateParticipantConnection, SendMessage and
DisconnectParticipant in that of the Amazon Connect participant service.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge.aws.chat_sessions import ChatSession, ChatSessions
from bridge.aws.errors import SDK_ERRORS, connect_error, error_code
from bridge.config import StartChatRoute
from bridge.errors import (
    AccessRefusedError,
    BridgeError,
    NotFoundError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
)
from bridge.processing.rate_limiter import RateLimiter
from bridge.replies import interactive
from bridge.replies.participants import Participants
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_LONGEST_ANSWER = 8
_RENEW_SECONDS = 3600.0
"""A connection token is valid for a day, less than a chat: it is renewed this long before it expires."""


class _ChatEndedError(Exception):
    """The chat has ended, or its token has expired: the participant service answers AccessDenied to both."""


class StartChat:
    """One chat per conversation, kept open between texts.

    Client tokens make each call idempotent. That of StartChatContact is the text key and the chat's generation: a retry
    gets the same chat, and a replacement a new one. That of SendMessage is the text key and the part's number.

    Parameters:
        message_limiter: of SendMessage; it is the `rate_limiter` of the transport.
        now: seconds since the epoch.
    """

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
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect, self._participant, self._chats = connect, participant, chats
        self.rate_limiter = message_limiter
        self._start_limiter, self._connection_limiter = start_limiter, connection_limiter
        self._disconnect_limiter = disconnect_limiter
        self._topic, self._now = streaming_topic_arn, now

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
            except _ChatEndedError:
                self._chats.record_end(conversation, chat.contact)
        return self._start(request, generation=chat.generation + 1 if chat else 1)

    def _start(self, request: PartRequest, *, generation: int) -> Accepted:
        """Start a chat with the part. If it ends at once it is not replaced: that is a problem of its flow."""
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
        response = self._call(
            lambda: self._connect.start_chat_contact(**arguments),
            request,
            limiter=self._start_limiter,
            carries_token=False,
        )
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
            self._chats.record_end(sms.conversation_id, chat.contact)
            raise AccessRefusedError("Connect ended a new chat before the customer could be connected to it") from exc
        return Accepted(chat.contact, new_chat=True)

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
        )
        if chosen:
            self._chats.save_options(chat.contact, ())
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
            connected = self._connected(request, chat)
            self._call(
                lambda: self._participant.disconnect_participant(
                    ClientToken=request.client_token, ConnectionToken=connected.connection_token or ""
                ),
                request,
                limiter=self._disconnect_limiter,
            )
        except _ChatEndedError:
            self._chats.record_end(request.sms.conversation_id, chat.contact)
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
        limiter: RateLimiter | None = None,
        carries_token: bool = True,
    ) -> Any:
        """`limiter`: of an operation other than SendMessage, whose limiter the caller of `send` observes."""
        if limiter and not limiter.acquire(deadline=request.deadline):
            raise OutOfTimeError("Connect's rate left no room for it in this batch")
        try:
            response = call()
        except SDK_ERRORS as exc:
            if carries_token and error_code(exc) == "AccessDeniedException":
                raise _ChatEndedError from exc
            error = connect_error(exc)
            if limiter and isinstance(error, ThrottledError):
                limiter.throttled()
            raise error from exc
        if limiter:
            limiter.succeeded()
        return response


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
