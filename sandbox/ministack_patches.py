"""Patches of MiniStack: limits and FIFO rules of AWS that matter to the bridge and that MiniStack lacks.

They replace functions inside MiniStack. requirements/ministack.txt pins its version and its hashes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, takewhile
from typing import Any

from ministack.services import sns, sqs
from ministack.services.cloudformation import provisioners

from sandbox import aws_limits
from sandbox.aws_limits import RefusedError

Queue = dict[str, Any]
Message = dict[str, Any]
_EXPIRED = "Value {} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."


def install() -> None:
    """Applies the patches. To be called once, before MiniStack serves requests."""
    _limits_of_sqs()
    _fifo_queues()
    _limits_of_sns()


# --- SQS: limits ----------------------------------------------------------------------------------------------


def _limits_of_sqs() -> None:
    send, dispatch = sqs._act_send_message, sqs._dispatch

    def send_message(data: dict[str, Any], url: str) -> Any:
        queue = sqs._get_q(data.get("QueueUrl", url))
        largest = int(queue["attributes"].get("MaximumMessageSize", aws_limits.LARGEST_MESSAGE))
        _as_sqs(lambda: aws_limits.check_message(data, fifo=queue["is_fifo"], largest=largest))
        return send(data, url)

    async def checked(action: str, data: dict[str, Any], url: str) -> Any:
        _as_sqs(lambda: aws_limits.check_sqs(action, data))
        return await dispatch(action, data, url)

    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = send_message
    sqs._dispatch = checked
    for action in ("DeleteMessage", "ChangeMessageVisibility"):
        sqs._HANDLERS[action] = _checking_receipt(sqs._HANDLERS[action])
    for action in ("DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
        sqs._HANDLERS[action] = _checking_receipts(sqs._HANDLERS[action])


def _as_sqs(check: Callable[[], None]) -> None:
    try:
        check()
    except RefusedError as exc:
        raise sqs._Err(exc.code, str(exc)) from exc


def _expired(queue: Queue, receipt: str) -> bool:
    """A receipt handle of a FIFO queue expires with the visibility timeout of its message."""
    now = time.time()
    return queue["is_fifo"] and any(
        message["receipt_handle"] == receipt and message["visible_at"] <= now for message in queue["messages"]
    )


def _checking_receipt(handle: Callable[..., Any]) -> Callable[..., Any]:
    def handler(data: dict[str, Any], url: str) -> Any:
        receipt = data.get("ReceiptHandle", "")
        if _expired(sqs._get_q(data.get("QueueUrl", url)), receipt):
            raise sqs._Err("InvalidParameterValue", _EXPIRED.format(receipt))
        return handle(data, url)

    return handler


def _checking_receipts(handle: Callable[..., Any]) -> Callable[..., Any]:
    def handler(data: dict[str, Any], url: str) -> Any:
        queue, entries = sqs._get_q(data.get("QueueUrl", url)), data.get("Entries") or []
        expired = [entry for entry in entries if _expired(queue, entry.get("ReceiptHandle", ""))]
        good = [entry for entry in entries if entry not in expired]
        answer = handle({**data, "Entries": good}, url) if good or not entries else {"Successful": [], "Failed": []}
        error = {"Code": "ReceiptHandleIsInvalid", "Message": "The receipt handle has expired", "SenderFault": True}
        answer["Failed"] += [error | {"Id": entry["Id"]} for entry in expired]
        return answer

    return handler


# --- SQS: FIFO queues -----------------------------------------------------------------------------------------


def _fifo_queues() -> None:
    sweep = sqs._dlq_sweep

    def swept(queue: Queue) -> None:
        """Moves only receivable messages to the dead-letter queue, with the message id as deduplication id."""
        if not queue["is_fifo"]:
            sweep(queue)
            return
        receivable = {message["id"] for message in _receivable(queue, time.time())}
        everything = queue["messages"]
        queue["messages"] = [message for message in everything if message["id"] in receivable]
        sweep(queue)
        kept = {message["id"] for message in queue["messages"]}
        queue["messages"] = [m for m in everything if m["id"] not in receivable or m["id"] in kept]
        for other in sqs._queues.values() if receivable - kept else ():
            for message in other["messages"]:
                if message["id"] in receivable - kept:
                    message["dedup_id"] = message["id"]

    def collected(queue: Queue, most: int, visibility: int, now: float) -> list[Message]:
        for message in queue["messages"]:
            sqs._ensure_msg_fields(message)
        chosen = _receivable(queue, now)[:most]
        for message in chosen:
            message["receipt_handle"] = sqs.new_uuid()
            message["visible_at"] = now + visibility
            message["receive_count"] += 1
            message["first_receive_at"] = message.get("first_receive_at") or now
        return chosen

    sqs._dlq_sweep = swept
    sqs._collect_fifo = collected


def _receivable(queue: Queue, now: float) -> list[Message]:
    """The messages that ReceiveMessage can return, in its order.

    First those of the group with the oldest message, then those of the next group. Of each group only the messages
    before its first invisible one.
    """
    groups: dict[str, list[Message]] = {}
    for message in queue["messages"]:
        groups.setdefault(message.get("group_id") or "", []).append(message)
    visible = (takewhile(lambda message: message["visible_at"] <= now, messages) for messages in groups.values())
    return [*chain.from_iterable(visible)]


# --- SNS ------------------------------------------------------------------------------------------------------


def _limits_of_sns() -> None:
    subscribe, set_attributes, publish = sns._subscribe, sns._set_subscription_attributes, sns._publish
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]
    create = handlers["create"]

    def checked_subscribe(params: dict[str, Any]) -> Any:
        return _as_sns(lambda: _check_subscription(_attributes(params))) or subscribe(params)

    def checked_set_attributes(params: dict[str, Any]) -> Any:
        name, value, arn = (sns._p(params, name) for name in ("AttributeName", "AttributeValue", "SubscriptionArn"))
        topic = sns._sub_arn_to_topic.get(arn)
        found = sns._find_subscription(topic, arn) if topic else None
        after = {**(found["attributes"] if found else {}), name: value}
        return _as_sns(lambda: _check_subscription(after)) or set_attributes(params)

    def checked_publish(params: dict[str, Any]) -> Any:
        request = {"Message": sns._p(params, "Message"), "MessageAttributes": sns._parse_message_attributes(params)}
        return _as_sns(lambda: aws_limits.check_publish(request)) or publish(params)

    def checked_create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        _check_subscription(provisioners._sns_sub_attributes(props))
        return create(logical_id, props, stack_name)

    sns._subscribe, sns._publish = checked_subscribe, checked_publish
    sns._set_subscription_attributes = checked_set_attributes
    handlers["create"] = checked_create


def _as_sns(check: Callable[[], None]) -> Any:
    """SNS's error response when the check fails, else None."""
    try:
        check()
    except RefusedError as exc:
        return sns._error(exc.code, str(exc), 400)
    return None


def _check_subscription(attributes: dict[str, str]) -> None:
    aws_limits.check_filter_policy(attributes.get("FilterPolicy", ""), scope=attributes.get("FilterPolicyScope", ""))


def _attributes(params: dict[str, Any]) -> dict[str, str]:
    found, number = {}, 1
    while name := sns._p(params, f"Attributes.entry.{number}.key"):
        found[name] = sns._p(params, f"Attributes.entry.{number}.value")
        number += 1
    return found
