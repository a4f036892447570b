"""The chat APIs: StartChatContact and StartContactStreaming of `connect`, and all of `connectparticipant`.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import regex

from sandbox.simulator.chats import (
    ACKNOWLEDGED,
    CONTENT_TYPES,
    DELIVERED,
    INTERACTIVE,
    LEFT,
    PLAIN,
    READ,
    TYPING,
    Chat,
    Item,
    Participant,
    check_details,
    invalid,
    iso,
    new_id,
)
from sandbox.simulator.contact_centre import ContactCentre, Request, Response, participant_numbers
from sandbox.simulator.protocols import RefusedError

CONTENT_BYTES = 16384
SENDABLE = CONTENT_TYPES - {INTERACTIVE}
TOPICS = 2
"""Streaming endpoints that a contact may have."""
WEBSOCKET_SECONDS = 100
TOPIC_ARN = regex.compile(r"arn:aws[\w-]*:sns:[a-z0-9-]+:\d{12}:[\w-]+")


def start_chat_contact(centre: ContactCentre, request: Request) -> Response:
    return _once(centre, centre.started, "StartChatContact", request, lambda: _start_chat(centre, request))


def _start_chat(centre: ContactCentre, request: Request) -> Response:
    _check_flow(centre, request)
    check_details(request)
    content_types = frozenset(request.get("SupportedMessagingContentTypes", [PLAIN]))
    first = request.get("InitialMessage")
    if first:
        _check_content(first["ContentType"], first["Content"], content_types, invalid)
    topic = request.get("ChatStreamingConfiguration", {}).get("StreamingEndpointArn")
    if topic:
        _check_topic(topic)
    if centre.active_chats() >= centre.settings.chat_limit:
        raise centre.chat_limit_reached("StartChatContact")
    name, minutes = request["ParticipantDetails"]["DisplayName"], request.get("ChatDurationInMinutes")
    source, business_number = participant_numbers(request)
    chat = Chat(
        contact=new_id(),
        source=source,
        destination=next((n.arn for n in centre.numbers.values() if n.number == business_number), business_number),
        subtype="connect:Chat",
        started_at=centre.now(),
        seconds=minutes and minutes * 60.0,
        display_name=name,
        attributes=request.get("Attributes", {}),
        streaming=[topic] if topic else [],
        content_types=content_types,
        by_integration=False,
        connected=False,
        customer=Participant(role="CUSTOMER", name=name),
    )
    centre.open_chat(chat)
    token = f"participant-{new_id()}"
    centre.participants[token] = chat
    entry = centre.record(
        "StartChatContact",
        chat,
        new_chat=True,
        type="MESSAGE" if first else None,
        content_type=first and first["ContentType"],
        content=first and first["Content"],
        role="CUSTOMER",
        display_name=name,
        attributes=chat.attributes,
        streaming_topic_arn=topic,
    )
    chat.initial_message = entry if first else None
    answer = {"ContactId": chat.contact, "ParticipantId": chat.customer.id, "ParticipantToken": token}
    if topic:
        answer["StreamingId"] = new_id()
    return answer


def start_contact_streaming(centre: ContactCentre, request: Request) -> Response:
    return _once(centre, centre.started, "StartContactStreaming", request, lambda: _start_streaming(centre, request))


def _start_streaming(centre: ContactCentre, request: Request) -> Response:
    centre.active_chats()
    chat = next((c for c in centre.chats if request["ContactId"] in c.contacts and c.ended_at is None), None)
    if chat is None:
        raise RefusedError("ResourceNotFoundException", "There is no such contact")
    topic = request["ChatStreamingConfiguration"]["StreamingEndpointArn"]
    _check_topic(topic)
    if len(chat.streaming) >= TOPICS:
        raise RefusedError("LimitExceededException", f"A contact has at most {TOPICS} streaming endpoints")
    chat.streaming.append(topic)
    centre.record("StartContactStreaming", chat, streaming_topic_arn=topic)
    return {"StreamingId": new_id()}


def create_participant_connection(centre: ContactCentre, request: Request) -> Response:
    """Connects the customer for a WebSocket, or for ConnectParticipant when the chat has a streaming topic."""
    chat = centre.participants.get(request["ParticipantToken"])
    if chat is None or not centre.is_active(chat):  # also a chat to which nobody connected in time
        raise _access_denied()
    kinds, now = request.get("Type", []), centre.now()
    if "WEBRTC_CONNECTION" in kinds:
        raise _validation("WEBRTC_CONNECTION is not for chats")
    answer: dict[str, Any] = {}
    if "CONNECTION_CREDENTIALS" in kinds:
        token, expiry = f"connection-{new_id()}", now + centre.settings.connection_token_seconds
        centre.connections[token] = (chat, expiry)  # (?) earlier tokens stay valid
        answer["ConnectionCredentials"] = {"ConnectionToken": token, "Expiry": iso(expiry)}
    if "WEBSOCKET" in kinds:
        url = f"wss://participant.connect.invalid/{new_id()}"
        answer["Websocket"] = {"Url": url, "ConnectionExpiry": iso(now + WEBSOCKET_SECONDS)}
    centre.record("CreateParticipantConnection", chat, role="CUSTOMER")
    if not chat.connected and ("WEBSOCKET" in kinds or (request.get("ConnectParticipant") and chat.streaming)):
        centre.connect_customer(chat)
        if entry := chat.initial_message:
            centre.add_customer_message(chat, entry, at=now)
    return answer


def send_message(centre: ContactCentre, request: Request) -> Response:
    chat, content_type, content = _chat(centre, request), request["ContentType"], request["Content"]
    _check_content(content_type, content, chat.content_types, _validation)

    def send() -> Item:
        entry = centre.record("SendMessage", chat, type="MESSAGE", content_type=content_type, content=content)
        return centre.add_customer_message(chat, entry, at=entry["at"])

    return _once(centre, chat.answers, "SendMessage", request, lambda: _sent(send()))


def send_event(centre: ContactCentre, request: Request) -> Response:
    chat, content_type, content = _chat(centre, request), request["ContentType"], request.get("Content")
    if content_type not in (TYPING, ACKNOWLEDGED, DELIVERED, READ):
        raise _validation(f"ContentType {content_type} is not an event that a participant sends")
    if content_type in (DELIVERED, READ) and not _names_a_message(content):
        raise _validation('Content must be a JSON object with a "messageId"')

    def send() -> Item:
        centre.record("SendEvent", chat, type="EVENT", content_type=content_type, content=content, role="CUSTOMER")
        return centre.add_event(chat, content_type=content_type, content=content, by=chat.customer)

    return _once(centre, chat.answers, "SendEvent", request, lambda: _sent(send()))


def _sent(item: Item) -> Response:
    return {"Id": item.id, "AbsoluteTime": iso(item.at)}


def disconnect_participant(centre: ContactCentre, request: Request) -> Response:
    """(?) When the customer leaves, the chat ends for all participants."""
    chat = _chat(centre, request)
    entry = centre.record("DisconnectParticipant", chat, type="DISCONNECT", role="CUSTOMER")
    centre.add_event(chat, content_type=LEFT, by=chat.customer)
    centre.end_chat(chat, entry["at"])
    return {}


def get_transcript(centre: ContactCentre, request: Request) -> Response:
    """A page of what the customer may see. Default: the last 15 items, the newest first."""
    chat = _chat(centre, request)
    items = [item for item in chat.transcript if item.for_customer]
    forward = request.get("ScanDirection", "BACKWARD") == "FORWARD"
    size = request.get("MaxResults") or 15
    at = _position(items, request, forward=forward)
    low, high = (at, at + size) if forward else (max(0, at - size), at)
    page = items[low:high]
    if request.get("SortOrder", "DESCENDING") == "DESCENDING":
        page = page[::-1]
    centre.record("GetTranscript", chat)
    answer = {"InitialContactId": chat.contact, "Transcript": [item.describe() for item in page]}
    more = high < len(items) if forward else low > 0
    return answer | ({"NextToken": str(high if forward else low)} if more else {})


def get_attachment(centre: ContactCentre, request: Request) -> Response:
    chat, seconds = _chat(centre, request), request.get("UrlExpiryInSeconds", 300)
    for item in chat.transcript:
        for attachment in item.attachments:
            if attachment["AttachmentId"] == request["AttachmentId"]:
                centre.record("GetAttachment", chat)
                name = attachment["AttachmentName"].replace(" ", "%20")
                url = f"https://attachments.connect.invalid/{attachment['AttachmentId']}/{name}?X-Amz-Expires={seconds}"
                url += f"&X-Amz-Security-Token={'t' * 900}&X-Amz-Signature={'5' * 64}"  # as long as signed links are
                return {"Url": url, "UrlExpiry": iso(centre.now() + seconds), "AttachmentSizeInBytes": 1024}
    raise _validation("there is no such attachment in this chat")


def _chat(centre: ContactCentre, request: Request) -> Chat:
    """The chat of this ConnectionToken. Connect has one error for an ended chat, an expired and an unknown token."""
    chat, expiry = centre.connections.get(request["ConnectionToken"], (None, 0.0))
    # (?) a token without a connected customer is presumed to get this error too
    if chat is None or centre.now() >= expiry or not centre.is_active(chat) or not chat.connected:
        raise _access_denied()
    return chat


def _once(
    centre: ContactCentre,
    responses: dict[tuple[str, str], Response],
    operation: str,
    request: Request,
    respond: Callable[[], Response],
) -> Response:
    """Performs the operation. A request with a repeated ClientToken gets the first response again instead."""
    key = (operation, request.get("ClientToken", ""))
    if key in responses:
        centre.repeated += 1
        return responses[key]
    response = respond()
    if key[1]:
        responses[key] = response
    return response


def _check_content(
    content_type: str, content: str, supported: frozenset[str], error: Callable[[str], RefusedError]
) -> None:
    if content_type not in SENDABLE or content_type not in supported:
        raise error(f"ContentType {content_type} is not supported on this contact")
    if len(content.encode("utf-8", "surrogatepass")) > CONTENT_BYTES:
        raise error(f"Content is over {CONTENT_BYTES} bytes")


def _check_topic(arn: str) -> None:
    if not TOPIC_ARN.fullmatch(arn):  # the pattern excludes FIFO topics
        raise invalid("StreamingEndpointArn must be the ARN of a standard SNS topic")


def _check_flow(centre: ContactCentre, request: Request) -> None:
    """(?) A simulator without instances accepts every flow."""
    instance = centre.instances.get(request["InstanceId"].rpartition("/")[2])
    if centre.instances and (instance is None or instance.flow(request["ContactFlowId"]) is None):
        raise RefusedError("ResourceNotFoundException", "There is no such instance or contact flow")


def _names_a_message(content: str | None) -> bool:
    try:
        return isinstance(json.loads(content or "")["messageId"], str)
    except (ValueError, TypeError, KeyError):
        return False


def _position(items: list[Item], request: Request, *, forward: bool) -> int:
    """Index where a forward page begins, or where a backward page ends (exclusive)."""
    if token := request.get("NextToken"):
        if not token.isdecimal():
            raise _validation("NextToken is not valid")
        return int(token)
    start = request.get("StartPosition", {})
    after = 0 if forward else 1
    if "Id" in start:
        return next((n + after for n, item in enumerate(items) if item.id == start["Id"]), 0)
    if "AbsoluteTime" in start:
        return sum(iso(item.at) < start["AbsoluteTime"] for item in items)
    if "MostRecent" in start:
        return max(0, len(items) - int(start["MostRecent"]))
    return 0 if forward else len(items)


def _access_denied() -> RefusedError:
    return RefusedError("AccessDeniedException", "Access denied")


def _validation(message: str) -> RefusedError:
    return RefusedError("ValidationException", message)
