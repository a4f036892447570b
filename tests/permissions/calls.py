"""The AWS calls of the functions and commands, each with its resource, as the tests in the sandbox record them.

`tests/sandbox/test_calls.py` checks that the list has all recorded calls and no others. Calls of the participant
service are not in it: a token authorises them, not IAM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from tests.permissions.deployment import ACCOUNT, PARTITION, REGION, Deployment
from tests.permissions.hops import sid
from tests.permissions.requests import Caller, Case, cases

FLOW, NUMBER, ROLE, STACK, NOTHING = "a contact flow", "a number", "a role", "the stack", ""
"""Resources outside the stack. NOTHING: IAM has no resource for the action, or all resources are meant."""
INDEXES = "Ledger/index"


class Call(NamedTuple):
    """`service` is the prefix of IAM actions; `on` a logical id, the name of a function, or one of the words above."""

    service: str
    operation: str
    on: str


PASS_ROLE = Call("iam", "PassRole", ROLE)


def _calls(service: str, on: str, *operations: str) -> tuple[Call, ...]:
    return tuple(Call(service, operation, on) for operation in operations)


FUNCTIONS: Mapping[str, tuple[Call, ...]] = {
    "intake": (
        *_calls("sqs", "ConversationsQueue", "SendMessage"),
        *_calls("sqs", "FailedQueue", "SendMessage"),
        *_calls("dynamodb", "Ledger", "UpdateItem"),
    ),
    "forward": (
        *_calls("sqs", "ConversationsQueue", "ChangeMessageVisibilityBatch"),
        *_calls("sqs", "FailedQueue", "SendMessage"),
        *_calls("dynamodb", "Ledger", "GetItem", "UpdateItem"),
        *_calls("dynamodb", "Chats", "GetItem", "PutItem", "UpdateItem"),
        *_calls("connect", NOTHING, "SendChatIntegrationEvent"),
        *_calls("connect", FLOW, "StartChatContact"),
    ),
    "reply_intake": (
        *_calls("sqs", "RepliesQueue", "SendMessage"),
        *_calls("sqs", "FailedQueue", "SendMessage"),
        *_calls("dynamodb", "Ledger", "UpdateItem"),
    ),
    "reply": (
        *_calls("sqs", "RepliesQueue", "ChangeMessageVisibilityBatch"),
        *_calls("sqs", "FailedQueue", "SendMessage"),
        *_calls("dynamodb", "Ledger", "GetItem", "UpdateItem"),
        *_calls("dynamodb", "Chats", "GetItem", "UpdateItem"),
        *_calls("sms-voice", NUMBER, "SendTextMessage"),
    ),
}

_FIND = (*_calls("dynamodb", "Ledger", "BatchGetItem"), *_calls("dynamodb", INDEXES, "Query"))
_STACK = _calls("cloudformation", STACK, "DescribeStacks")
_CHATS = _calls("dynamodb", "Chats", "GetItem")
_LEFT = ("FailedQueue", "UndeliveredQueue")
_COUNTS = tuple(Call("sqs", "GetQueueAttributes", queue) for queue in _LEFT)
_TAKE = (
    *_calls("dynamodb", "Ledger", "UpdateItem"),
    *(
        Call("sqs", operation, queue)
        for operation in ("ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
        for queue in _LEFT
    ),
)
_NUMBERS = (*_STACK, *_calls("sms-voice", NOTHING, "DescribePhoneNumbers"))
_NUMBER = _calls("sms-voice", NUMBER, "UpdatePhoneNumber", "ListTagsForResource", "UntagResource")

COMMANDS: Mapping[str, tuple[Call, ...]] = {
    "trace": (*_STACK, *_FIND, *_CHATS, *_calls("lambda", "forward", "GetFunction")),
    "failed show": (*_STACK, *_FIND),
    "failed list": (*_STACK, *_FIND, *_CHATS, *_COUNTS),
    "failed discard": (*_STACK, *_FIND, *_CHATS, *_COUNTS, *_TAKE),
    "failed redrive": (
        *_STACK,
        *_FIND,
        *_CHATS,
        *_COUNTS,
        *_TAKE,
        *_calls("sqs", "ConversationsQueue", "SendMessageBatch"),
        *_calls("sqs", "RepliesQueue", "SendMessageBatch"),
        *_calls("lambda", "intake", "Invoke"),
        *_calls("lambda", "reply_intake", "Invoke"),
    ),
    "doctor": (
        *_STACK,
        *_calls("cloudformation", NOTHING, "GetTemplate", "ListStackResources"),
        *_calls("cloudwatch", NOTHING, "GetMetricStatistics"),
        *_calls("dynamodb", "Chats", "Scan"),
        *_calls("dynamodb", INDEXES, "Query"),
        *_calls("connect", NOTHING, "DescribeContactFlow", "DescribeInstance", "DescribePhoneNumber"),
        *_calls("connect", NOTHING, "GetFlowAssociation", "ListPhoneNumbersV2", "SendChatIntegrationEvent"),
        *_calls("iam", NOTHING, "GetRole", "GetRolePolicy", "SimulatePrincipalPolicy"),
        *_calls("kms", NOTHING, "DescribeKey", "GetKeyPolicy"),
        *_calls("lambda", NOTHING, "GetAccountSettings", "GetEventSourceMapping", "GetFunctionConcurrency"),
        *_calls("lambda", NOTHING, "GetFunctionConfiguration", "GetPolicy"),
        *_calls("servicequotas", NOTHING, "ListServiceQuotas"),
        *_calls("sms-voice", NOTHING, "DescribeAccountAttributes", "DescribePhoneNumbers", "DescribePools"),
        *_calls("sms-voice", NOTHING, "DescribeSpendLimits"),
        *_calls("sns", NOTHING, "GetSubscriptionAttributes", "GetTopicAttributes", "ListSubscriptionsByTopic"),
        *_calls("sqs", NOTHING, "GetQueueAttributes"),
    ),
    "numbers": _NUMBERS,
    "numbers connect": (*_NUMBERS, *_NUMBER, *_calls("sms-voice", NUMBER, "TagResource"), PASS_ROLE),
    "numbers disconnect": (*_NUMBERS, *_NUMBER, PASS_ROLE),
    "replay": (
        *_STACK,
        *_calls("sns", "InboundTopic", "Publish"),
        *_calls("dynamodb", "Ledger", "BatchGetItem"),
        *_calls("sqs", "UndeliveredQueue", "GetQueueAttributes", "ReceiveMessage"),
        *_calls("lambda", "intake", "Invoke"),
    ),
}
"""The calls of each command, with all its options."""

UNSEEN: Mapping[Call, str] = {
    _STACK[0]: "A sandbox has its outputs in its folder; of a stack in AWS they are asked for first.",
    PASS_ROLE: "IAM is asked for it when UpdatePhoneNumber names a role; it is no call.",
}
"""Listed calls that are not recorded in the sandbox, with the reason."""

_ACTIONS = {
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessageBatch": "DeleteMessage",
    "SendMessageBatch": "SendMessage",
    "Invoke": "InvokeFunction",
}
"""IAM actions whose names differ from the operation."""


def action(call: Call) -> str:
    """The IAM action that allows the call."""
    return f"{call.service}:{_ACTIONS.get(call.operation, call.operation)}"


def place(deployment: Deployment, on: Mapping[str, str]) -> str:
    """The resource of a call, from its parameters. Raises KeyError if it is not in the stack."""
    if "IndexName" in on:
        return f"{deployment.logical_id(on['TableName'])}/index"
    for name in ("QueueUrl", "TableName", "TopicArn"):
        if name in on:
            return deployment.logical_id(on[name])
    if "FunctionName" in on:
        logical_id = deployment.logical_id(on["FunctionName"])
        return next(name for name, function in deployment.functions.items() if function == logical_id)
    words = {"OriginationIdentity": NUMBER, "PhoneNumberId": NUMBER, "ResourceArn": NUMBER, "ContactFlowId": FLOW}
    return next((word for name, word in words.items() if name in on), STACK if "StackName" in on else NOTHING)


def of_functions(deployment: Deployment) -> Iterator[Case]:
    """The requests to IAM and KMS for all calls of the functions of this deployment."""
    for function in deployment.functions:
        for call in FUNCTIONS[function]:
            yield from of_function(deployment, function, call)


def of_function(deployment: Deployment, function: str, call: Call) -> Iterator[Case]:
    """The requests for one call, with each of its possible resources in this deployment."""
    caller = Caller.function(deployment, function)
    store = {"sqs": "Queues", "dynamodb": "Ledger"}.get(call.service, "")
    for resource, context in _resources(deployment, call):
        yield from cases(
            deployment, caller, action(call), resource, context=context, key_by=f"{sid(function)}To{store}"
        )


def of_command(deployment: Deployment, command: str, policy: str) -> Iterator[Case]:
    """The requests to IAM and KMS for a command, run by somebody with this policy."""
    operator = Caller.role(deployment, f"arn:{PARTITION}:iam::{ACCOUNT}:role/operator", f"bridge {command}")
    operator = replace(operator, identity=(policy,))
    for call in COMMANDS[command]:
        for resource, context in _resources(deployment, call, everything=command == "doctor"):
            for case in cases(deployment, operator, action(call), resource, context=context):
                guards = {key: values for key, values in case.guards.items() if key != "kms:ViaService"}
                yield replace(case, guards=guards)  # the page asks for the key without a condition on the service


def _resources(deployment: Deployment, call: Call, *, everything: bool = False) -> Iterator[tuple[str, dict[str, str]]]:
    config = deployment.config
    if call.on == NOTHING:
        wanted = call.operation != "SendChatIntegrationEvent" or everything
        if wanted or not all(config.starts_chats(number) for number in config.numbers):
            yield "*", {}
    elif call.on == FLOW:
        for instance, flows in config.contact_flows().items():
            for flow in flows:
                yield flow, {"connect:InstanceId": instance.rpartition("/")[2]}
    elif call.on == NUMBER:
        yield from ((number.arn, {}) for number in config.numbers)
    elif call.on == ROLE:
        yield deployment.arn("TwoWayChannelRole"), {"iam:PassedToService": "sms-voice.amazonaws.com"}
    elif call.on == STACK:
        yield f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT}:stack/{deployment.stack}/01234567-89ab", {}
    elif call.on == INDEXES:
        yield f"{deployment.arn('Ledger')}/index/Failed", {}
    elif deployment.has(logical_id := deployment.functions.get(call.on, call.on)):
        yield deployment.arn(logical_id), {}
