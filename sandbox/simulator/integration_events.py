"""SendChatIntegrationEvent of `connect`: messages and events of a customer, each with the two phone numbers.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

from sandbox.simulator.chats import (
    DELIVERED,
    LEFT,
    PLAIN,
    READ,
    TYPING,
    Chat,
    Entry,
    Participant,
    check_details,
    invalid,
    new_id,
    utf16_units,
)
from sandbox.simulator.contact_centre import ContactCentre, Request, Response
from sandbox.simulator.protocols import RefusedError
from sandbox.simulator.resources import PHONE_NUMBER_ARN

SMS = "connect:sms"
MESSAGE_LENGTH = 1024
"""Limit of an SMS message. AWS says "characters"; UTF-16 code units are the stricter reading of it."""
EVENT_TYPES = {TYPING, DELIVERED, READ}


def send_chat_integration_event(centre: ContactCentre, request: Request) -> Response:
    _check_request(centre, request)
    source, destination, subtype = request["SourceId"], request["DestinationId"], request.get("Subtype", SMS)
    event, details = request["Event"], request.get("NewSessionDetails", {})
    name, topic = details.get("ParticipantDetails", {}).get("DisplayName"), _topic(details)
    active = centre.active_chats()
    chat = centre.integration_chats.get((source, destination, subtype))
    new = chat is None
    if chat is None:
        if event["Type"] != "MESSAGE":
            if centre.settings.without_chat == "not-found":
                raise RefusedError("ResourceNotFoundException", "No active chat for these identifiers")
            _record(centre, request, None, new=False)
            return {"NewChatCreated": False}
        check_details(details)
        if active >= centre.settings.chat_limit:
            raise centre.chat_limit_reached("SendChatIntegrationEvent")
        chat = Chat(
            contact=new_id(),
            source=source,
            destination=destination,
            subtype=subtype,
            started_at=centre.now(),
            display_name=name,
            attributes=details.get("Attributes", {}),
            streaming=[topic] if topic else [],
            customer=Participant(role="CUSTOMER", name=name),
        )
        centre.open_chat(chat)
        centre.integration_chats[source, destination, subtype] = chat
        centre.connect_customer(chat)
    entry = _record(centre, request, chat, new=new)
    if event["Type"] == "MESSAGE":
        centre.add_customer_message(chat, entry, at=entry["at"])
    elif event["Type"] == "DISCONNECT":
        centre.add_event(chat, content_type=LEFT, by=chat.customer, at=entry["at"])
        centre.end_chat(chat, entry["at"])
    else:
        centre.add_event(chat, content_type=event["ContentType"], by=chat.customer, content=event.get("Content"))
    return {"InitialContactId": chat.contact, "NewChatCreated": new}


def _record(centre: ContactCentre, request: Request, chat: Chat | None, *, new: bool) -> Entry:
    event, details = request["Event"], request.get("NewSessionDetails", {})
    return centre.record(
        "SendChatIntegrationEvent",
        chat,
        source=request["SourceId"],
        destination=request["DestinationId"],
        subtype=request.get("Subtype", SMS),
        type=event["Type"],
        content_type=event.get("ContentType"),
        content=event.get("Content"),
        new_chat=new,
        role="CUSTOMER",
        display_name=details.get("ParticipantDetails", {}).get("DisplayName"),
        attributes=details.get("Attributes", {}),
        streaming_topic_arn=_topic(details),
    )


def _topic(details: Request) -> str | None:
    topic: str | None = details.get("StreamingConfiguration", {}).get("StreamingEndpointArn")
    return topic


def _check_request(centre: ContactCentre, request: Request) -> None:
    """What the API's model allows and Connect refuses. (?) Without instances, the simulator accepts every number."""
    subtype, event = request.get("Subtype", SMS), request["Event"]
    content_type, content = event.get("ContentType"), event.get("Content")
    if subtype != SMS:
        raise invalid(f"Subtype must be {SMS}")
    if not PHONE_NUMBER_ARN.fullmatch(request["DestinationId"]):
        raise invalid("DestinationId must be the ARN of an End User Messaging phone number")
    if event["Type"] == "MESSAGE":
        if content_type != PLAIN:
            raise invalid(f"Event.ContentType must be {PLAIN} for a MESSAGE of {subtype}")
        if content is None:
            raise invalid("Event.Content is required for a MESSAGE")
        if utf16_units(content) > MESSAGE_LENGTH:
            raise invalid(f"Event.Content is over {MESSAGE_LENGTH} characters")
    elif event["Type"] == "EVENT" and content_type not in EVENT_TYPES:
        raise invalid(f"Event.ContentType must be one of {', '.join(sorted(EVENT_TYPES))} for an EVENT")
    imported = {number.arn for instance in centre.instances.values() for number in instance.numbers}
    if centre.instances and request["DestinationId"] not in imported:
        raise RefusedError("ResourceNotFoundException", "The number is not imported into any instance")
