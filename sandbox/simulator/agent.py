"""Actions of agents and flows in a chat: POST /_simulator/agent."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.simulator.chats import (
    DELIVERED,
    JOINED,
    LEFT,
    PLAIN,
    READ,
    TRANSFERRED,
    TYPING,
    Chat,
    Item,
    Participant,
    Role,
    Visibility,
    find_chat,
    new_id,
)
from sandbox.simulator.contact_centre import ContactCentre

EVENTS = {"typing": TYPING, "delivered": DELIVERED, "read": READ}


class Action(BaseModel):
    """`chat` is a contact id, a prefix of one, or the customer number.

    reply: an agent sends `text`; one joins first if none is in the chat. say: `role` (a flow, a bot, a supervisor)
    sends `text`. attach: an agent sends a file with the name `text`. event: `text` is typing, delivered or read.
    copies, delay: how often, and after how many seconds, its notification is published.
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal["reply", "say", "attach", "event", "transfer", "leave", "end"]
    chat: str
    text: str = ""
    content_type: str | None = None
    role: Role = "SYSTEM"
    visibility: Visibility = "ALL"
    copies: int = Field(default=1, ge=0)
    delay: float = Field(default=0, ge=0)


def act(centre: ContactCentre, action: Action) -> dict[str, Any]:
    """Does it. Returns the chat's ids and the Id of the new item. Raises ValueError when the chat does not allow it."""
    chat = find_chat(centre.chats, action.chat)
    if not centre.is_active(chat):
        raise ValueError(f"chat {chat.contact[:8]} has ended")
    if not chat.connected:
        raise ValueError(f"chat {chat.contact[:8]} has not begun: its customer is not connected yet")
    return {
        "contact": chat.contact,
        "id": _act(centre, chat, action),
        "contact_id": chat.contact_id,
        "source": chat.source,
    }


def _act(centre: ContactCentre, chat: Chat, action: Action) -> str | None:
    notify: dict[str, Any] = {"copies": action.copies, "delay": action.delay}
    if action.action in ("reply", "say", "attach"):
        if not action.text:
            raise ValueError("text is missing")
        by = Participant(role=action.role) if action.action == "say" else _agent(centre, chat)
        return _add_message(centre, chat, action, by, notify).id
    if action.action == "event":
        if action.text not in EVENTS:
            raise ValueError(f"text of an event must be one of {', '.join(EVENTS)}")
        agent, last = _agent(centre, chat), next((m for m in chat.messages[::-1] if m["role"] == "CUSTOMER"), None)
        content = None if action.text == "typing" or last is None else f'{{"messageId": "{last["id"]}"}}'
        return centre.add_event(chat, content_type=EVENTS[action.text], by=agent, content=content, **notify).id
    centre.record("Agent", chat, type=action.action.upper(), role="AGENT")
    if chat.agent:
        centre.add_event(chat, content_type=LEFT, by=chat.agent, **notify)
        chat.agent = None
    elif action.action == "leave":
        raise ValueError(f"no agent is in chat {chat.contact[:8]}")
    if action.action == "transfer":
        chat.contacts.append(new_id())
        centre.add_event(chat, content_type=TRANSFERRED, **notify)
        _agent(centre, chat)
    elif action.action == "end":
        centre.end_chat(chat, **notify)
    return None


def _add_message(centre: ContactCentre, chat: Chat, action: Action, by: Participant, notify: dict[str, Any]) -> Item:
    attached = action.action == "attach"
    content_type = action.content_type or ("application/octet-stream" if attached else PLAIN)
    item_type: Literal["ATTACHMENT", "MESSAGE"] = "ATTACHMENT" if attached else "MESSAGE"
    entry = centre.record(
        "Agent", chat, type=item_type, content_type=content_type, content=action.text, display_name=by.name
    )
    file = {"AttachmentId": new_id(), "AttachmentName": action.text, "ContentType": content_type, "Status": "APPROVED"}
    item = Item(
        type=item_type,
        content_type=content_type,
        content=None if attached else action.text,
        contact_id=chat.contact_id,
        at=entry["at"],
        by=by,
        visibility=action.visibility,
        attachments=(file,) if attached else (),
    )
    return centre.add_message(chat, entry, item, **notify)


def _agent(centre: ContactCentre, chat: Chat) -> Participant:
    """The agent in the chat. After an agent has left, the next one joins."""
    if chat.agent is None:
        chat.agents += 1
        chat.agent = Participant(role="AGENT", name=f"Agent {chat.agents}")
        centre.add_event(chat, content_type=JOINED, by=chat.agent)
    return chat.agent
