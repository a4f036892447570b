"""Every kind of input and error of the four functions, once each, run in an account of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ReadTimeoutError

from testing.account import OTHER_BUSINESS_NUMBER, Account, refusal, settings
from testing.builders import payload, record, sqs_record
from testing.chat_events import CHAT, chat_record, ended, event, item

INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
CHOICE = json.dumps({"data": {"content": {"title": "Which?", "elements": [{"title": "Apple"}, {"title": "Orange"}]}}})
FILE = {"AttachmentName": "plan.pdf", "AttachmentId": "file-1", "ContentType": "application/pdf", "Status": "APPROVED"}


def now(*, ago: float = 0) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=ago)


def published(*messages: object, **sns: object) -> dict[str, Any]:
    """An event of SNS for intake."""
    return {"Records": [record(message, sent_at=now(), **sns) for message in messages]}


def text(
    body: object = "Hello", *, business_number: str | None = None, key: str = "text-1", **queue: Any
) -> dict[str, Any]:
    """One message of the conversations queue."""
    to = {"destinationNumber": business_number} if business_number else {}
    message = payload(body, inboundMessageId=key, **to)
    sent_at = queue.pop("sent_at", now())
    return sqs_record(message, sent_at=sent_at, **{"queued_at": now()} | queue)


def by_chat(body: object = "Hello", **more: Any) -> dict[str, Any]:
    """A text to a number with start-chat delivery."""
    return text(body, business_number=OTHER_BUSINESS_NUMBER, **more)


def reply_record(of: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """One message of the replies queue."""
    visibility = more.pop("visibility", "ALL")
    body = json.dumps(chat_record(item(Id="said-1") if of is None else of, visibility=visibility))
    return sqs_record(body=body, group=CHAT, **{"queued_at": now()} | more)


def batch(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


# --- customer to agent --------------------------------------------------------------------------------------


def _intake(*messages: object, plan: Mapping[str, Any] | None = None, **sns: object) -> Callable[[Account], None]:
    def run(account: Account) -> None:
        account.always |= plan or {}
        try:
            account.call("intake", published(*messages, **sns))
        except Exception as exc:
            assert type(exc).__name__ in ("QueueError", "LedgerError")

    return run


def _forward(
    *records: Callable[[], dict[str, Any]],
    plan: Mapping[str, Any] | None = None,
    planned: Mapping[str, list[Any]] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Callable[[Account], None]:
    """One batch after the other, each of one message."""

    def run(account: Account) -> None:
        account.config = settings(**(config or {}))
        account.always |= plan or {}
        account.planned |= {name: list(answers) for name, answers in (planned or {}).items()}
        for make in records:
            account.call("forward", batch(make()))

    return run


def _together(
    *records: Callable[[], dict[str, Any]], plan: Mapping[str, Any] | None = None
) -> Callable[[Account], None]:
    """One batch of all messages, in one conversation."""

    def run(account: Account) -> None:
        account.always |= plan or {}
        account.call("forward", batch(*(make() for make in records)))

    return run


THROTTLED = refusal("ThrottlingException", 429)
UNAVAILABLE = refusal("InternalServiceException", 500)
OVER = refusal("AccessDeniedException", 403)
BROKEN = refusal("InternalServerError", 500)
NO_ANSWER = ReadTimeoutError(endpoint_url="https://example.com")
NO_CHAT: Mapping[str, Any] = {"NewChatCreated": False}
LONG = "word " * 30
BRIEFLY: Mapping[str, Any] = {"limits": {"batch_deadline": 1.0}}
"""A short batch deadline, for calls that are repeated until it."""

TEXTS: Mapping[str, Callable[[Account], None]] = {
    "intake: queued": _intake(payload("Hello", inboundMessageId="text-1"), MessageId="sns-1"),
    "intake: notice": _intake("Successfully validated SNS topic for Amazon Pinpoint", MessageId="sns-1"),
    "intake: malformed": _intake("no JSON", MessageId="sns-1"),
    "intake: not taken": _intake(payload(inboundMessageId="text-1"), plan={"SendMessage": BROKEN}),
    "intake: not noted": _intake(payload(inboundMessageId="text-1"), plan={"UpdateItem": BROKEN}),
    "forward: new chat": _forward(text),
    "forward: open chat": _forward(text, plan={"SendChatIntegrationEvent": {"InitialContactId": "contact-1"}}),
    "forward: several parts, late": _forward(lambda: text(LONG, sent_at=now(ago=4000))),
    "forward: keyword": _forward(lambda: text("STOP")),
    "forward: keyword without a chat": _forward(
        lambda: text("STOP"),
        plan={"SendChatIntegrationEvent": NO_CHAT},
        config={"chat": {"show_disconnect_keyword": False}},
    ),
    "forward: body attribute": _forward(text, config={"chat": {"body_attribute": "body"}}),
    "forward: came again": _forward(text, text),
    "forward: throttled": _forward(text, plan={"SendChatIntegrationEvent": THROTTLED}, config=BRIEFLY),
    "forward: no answer": _forward(text, plan={"SendChatIntegrationEvent": NO_ANSWER}, config=BRIEFLY),
    "forward: perhaps shown again": _forward(
        text, planned={"SendChatIntegrationEvent": [NO_ANSWER, {"InitialContactId": "contact-1"}]}
    ),
    "forward: blocked": _forward(text, plan={"SendChatIntegrationEvent": OVER}),
    "forward: rejected": _forward(text, plan={"SendChatIntegrationEvent": refusal("InvalidRequestException")}),
    "forward: unknown number": _forward(lambda: text(business_number="+12125550199")),
    "forward: malformed": _forward(lambda: sqs_record(body="no JSON", queued_at=now())),
    "forward: gave up": _forward(
        lambda: text(queued_at=now(ago=30_000)), plan={"SendChatIntegrationEvent": UNAVAILABLE}, config=BRIEFLY
    ),
    "forward: waits longer": _forward(
        text, plan={"SendChatIntegrationEvent": OVER, "ChangeMessageVisibilityBatch": BROKEN}
    ),
    "forward: a defect": _forward(text, plan={"SendChatIntegrationEvent": KeyError("a defect")}),
    "forward: behind another": _together(text, lambda: text(key="text-2"), plan={"SendChatIntegrationEvent": OVER}),
    "forward: out of order": _together(text, lambda: text(key="text-2", sent_at=now(ago=60))),
    "forward: ledger unreadable": _forward(text, plan={"GetItem": BROKEN}),
    "start-chat: new chat": _forward(by_chat),
    "start-chat: initial message": _forward(by_chat, config={"first_text": "initial-message"}),
    "start-chat: several parts, initial message": _forward(
        lambda: by_chat(LONG), config={"first_text": "initial-message"}
    ),
    "start-chat: open chat": _forward(by_chat, lambda: by_chat("And?", key="text-2")),
    "start-chat: body attribute": _forward(by_chat, config={"chat": {"body_attribute": "body"}}),
    "start-chat: keyword": _forward(by_chat, lambda: by_chat("STOP", key="text-2")),
    "start-chat: keyword without a chat": _forward(
        lambda: by_chat("STOP"), config={"chat": {"show_disconnect_keyword": False}}
    ),
    "start-chat: the chat is over": _forward(
        by_chat, lambda: by_chat("And?", key="text-2"), planned={"SendMessage": [{"Id": "m"}, OVER]}
    ),
    "start-chat: shown keyword without a chat": _forward(lambda: by_chat("STOP")),
    "start-chat: nothing is accepted": _forward(by_chat, plan={"SendMessage": OVER, "DisconnectParticipant": OVER}),
    "start-chat: no room": _forward(by_chat, plan={"StartChatContact": refusal("LimitExceededException", 429)}),
    "start-chat: the tables break": _forward(by_chat, plan={"PutItem": BROKEN}),
}


# --- agent to customer --------------------------------------------------------------------------------------


def _reply_intake(
    *records: Callable[[], dict[str, Any]], plan: Mapping[str, Any] | None = None
) -> Callable[[Account], None]:
    def run(account: Account) -> None:
        account.always |= plan or {}
        try:
            account.call("reply_intake", batch(*(make() for make in records)))
        except Exception as exc:
            assert type(exc).__name__ in ("QueueError", "LedgerError")

    return run


def open_chat(account: Account, *, offered: tuple[str, ...] = ()) -> None:
    """The chat CHAT, as forward records it."""
    offers = {"offered": {"L": [{"S": option} for option in offered]}} if offered else {}
    account.planned["StartChatContact"] = [{"ContactId": CHAT, "ParticipantId": "p", "ParticipantToken": "participant"}]
    account.call("forward", batch(by_chat(key="text-0")))
    account.tables["Chats"].items[f"contact:{CHAT}"] |= offers
    account.requests.clear()
    account.log.truncate(0)
    account.log.seek(0)
    account.printed.truncate(0)
    account.printed.seek(0)
    account.tables["Ledger"].items.clear()


def _reply(
    *records: Callable[[], dict[str, Any]],
    chat_recorded: bool = True,
    offered: tuple[str, ...] = (),
    plan: Mapping[str, Any] | None = None,
    planned: Mapping[str, list[Any]] | None = None,
    config: Mapping[str, Any] | None = None,
) -> Callable[[Account], None]:
    def run(account: Account) -> None:
        if chat_recorded:
            open_chat(account, offered=offered)
        account.config = settings(**(config or {}))
        account.always |= plan or {}
        account.planned |= {name: list(answers) for name, answers in (planned or {}).items()}
        for make in records:
            account.call("reply", batch(make()))

    return run


def _chosen(account: Account) -> None:
    """The customer answers with the number of an option."""
    open_chat(account, offered=("Apple", "Orange"))
    account.call("forward", batch(by_chat("2", key="text-1")))


OPTED_OUT = refusal("ConflictException", 400, Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")

REPLIES: Mapping[str, Callable[[Account], None]] = {
    "reply-intake: queued": _reply_intake(lambda: chat_record(item(Id="said-1"), MessageId="sns-1")),
    "reply-intake: the chat ended": _reply_intake(lambda: chat_record(ended(Id="end-1"), visibility=None)),
    "reply-intake: nothing for the phone": _reply_intake(
        lambda: chat_record(event("typing", Id="typing-1"), visibility=None)
    ),
    "reply-intake: malformed": _reply_intake(lambda: record("no JSON", MessageId="sns-1")),
    "reply-intake: not taken": _reply_intake(lambda: chat_record(item(Id="said-1")), plan={"SendMessage": BROKEN}),
    "reply-intake: not noted": _reply_intake(lambda: chat_record(item(Id="said-1")), plan={"UpdateItem": BROKEN}),
    "reply: sent": _reply(reply_record),
    "reply: blank": _reply(lambda: reply_record(item("  \n", Id="said-1"))),
    "reply: came again": _reply(reply_record, reply_record),
    "reply: options": _reply(lambda: reply_record(item(CHOICE, Id="said-1", ContentType=INTERACTIVE))),
    "reply: takes options back": _reply(reply_record, offered=("Apple", "Orange")),
    "reply: a file": _reply(
        lambda: reply_record(
            item(..., Id="said-1", Type="ATTACHMENT", ContentType="application/pdf", Attachments=[FILE])
        )
    ),
    "reply: the chat ended": _reply(lambda: reply_record(ended(Id="end-1"), visibility=None)),
    "reply: nothing for the phone": _reply(lambda: reply_record(event("typing", Id="typing-1"), visibility=None)),
    "reply: opted out": _reply(reply_record, plan={"SendTextMessage": OPTED_OUT}),
    "reply: throttled": _reply(
        reply_record, plan={"SendTextMessage": refusal("ThrottlingException", 400)}, config=BRIEFLY
    ),
    "reply: perhaps sent again": _reply(reply_record, planned={"SendTextMessage": [NO_ANSWER, {"MessageId": "sms-1"}]}),
    "reply: perhaps delivered": _reply(reply_record, plan={"SendTextMessage": NO_ANSWER}),
    "reply: blocked": _reply(reply_record, plan={"SendTextMessage": refusal("AccessDeniedException", 400)}),
    "reply: rejected": _reply(reply_record, plan={"SendTextMessage": refusal("ValidationException", 400)}),
    "reply: malformed": _reply(lambda: sqs_record(body="no JSON", group=CHAT, queued_at=now())),
    "reply: chat not known yet": _reply(reply_record, chat_recorded=False),
    "reply: unknown chat": _reply(lambda: reply_record(queued_at=now(ago=3600)), chat_recorded=False),
    "reply: gave up": _reply(
        lambda: reply_record(queued_at=now(ago=30_000)),
        plan={"SendTextMessage": refusal("InternalServerException", 500)},
        config=BRIEFLY,
    ),
    "reply: waits longer": _reply(
        reply_record,
        plan={
            "SendTextMessage": refusal("AccessDeniedException", 400),
            "ChangeMessageVisibilityBatch": BROKEN,
        },
    ),
    "the customer chooses an option": _chosen,
}

SCENARIOS: Mapping[str, Callable[[Account], None]] = {**TEXTS, **REPLIES}
