"""An AWS account behind the SDK: the four handlers and the `bridge` command run as they are, without network.

Every request of every client of botocore is checked against the API's model (members, types, lengths, ranges, enums and
patterns) and then answered: SQS and DynamoDB by the tests' models of them, the other services by short canned answers.
Of the bridge's modules, this one knows the handlers, the command and the clock.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ParamValidationError
from botocore.session import Session
from botocore.validate import ParamValidator

from bridge.processing.clock import Clock
from sandbox.simulator.protocols import problems_of
from testing.builders import ARN, BUSINESS_NUMBER
from testing.clock import FakeClock
from testing.models.fifo import Fifo
from testing.models.sqs import SqsClient
from testing.models.table import Table

REGION, NUMBER = "us-east-1", "111122223333"
QUEUES = {
    name: f"https://sqs.{REGION}.amazonaws.com/{NUMBER}/{name}"
    for name in ("conversations", "replies", "failed", "undelivered")
}
STREAMING_TOPIC = f"arn:aws:sns:{REGION}:{NUMBER}:streaming"
INBOUND_TOPIC = f"arn:aws:sns:{REGION}:{NUMBER}:inbound"
ENVIRONMENT = {
    "CONVERSATIONS_QUEUE_URL": QUEUES["conversations"],
    "REPLIES_QUEUE_URL": QUEUES["replies"],
    "FAILED_QUEUE_URL": QUEUES["failed"],
    "LEDGER_TABLE": "Ledger",
    "CHATS_TABLE": "Chats",
    "STREAMING_TOPIC_ARN": STREAMING_TOPIC,
}
"""As the stack sets it with start-chat delivery."""
OUTPUTS = {
    "InboundTopicArn": INBOUND_TOPIC,
    "StreamingTopicArn": STREAMING_TOPIC,
    "ConversationsQueueUrl": QUEUES["conversations"],
    "RepliesQueueUrl": QUEUES["replies"],
    "FailedQueueUrl": QUEUES["failed"],
    "UndeliveredQueueUrl": QUEUES["undelivered"],
    "LedgerTableName": "Ledger",
    "ChatsTableName": "Chats",
    "IntakeFunctionName": "Intake",
    "ForwardFunctionName": "Forward",
    "ReplyIntakeFunctionName": "ReplyIntake",
    "ReplyFunctionName": "Reply",
    "TwoWayChannelRoleArn": f"arn:aws:iam::{NUMBER}:role/TwoWayChannelRole",
}
INSTANCE_ID, FLOW_ID = "12345678-1234-1234-1234-123456789012", "abcdef01-1234-1234-1234-123456789012"
OTHER_BUSINESS_NUMBER = "+12125550102"
"""With start-chat delivery; BUSINESS_NUMBER has integration events."""


def settings(
    *, first_text: str = "message", chat: Mapping[str, Any] | None = None, limits: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """config.json as the deploy compiles it, one number of each delivery."""
    route = {"arn": ARN, "display_name": "{customer}", "attributes": {"queue": "sales"}, "streaming_topic_arn": None}
    start = {"instance_id": INSTANCE_ID, "contact_flow_id": FLOW_ID, "chat_minutes": 1500, "first_text": first_text}
    return {
        "chat": {
            "disconnect_keywords": ["STOP"],
            "show_disconnect_keyword": True,
            "empty_message": "(empty message)",
            "late_message": "(sent {sent})",
            "body_attribute": "",
            "supported_content_types": ["text/plain"],
            **(chat or {}),
        },
        "limits": {
            **dict.fromkeys(
                ("connect_rate", "start_chat_rate", "connection_rate", "message_rate", "disconnect_rate", "sms_rate"),
                1000.0,
            ),
            "max_lost_answers": 2,
            "max_concurrency": 2,
            "part_length": 64,
            "mark_late_after": 900.0,
            "give_up_after": 21_600.0,
            "call_timeout": 5.0,
            "batch_deadline": 5.0,
            "retry_first": 5.0,
            "retry_longest": 300.0,
            "blocked_retry": 120.0,
            **(limits or {}),
        },
        "routes": {
            BUSINESS_NUMBER: route | {"start_chat": None, "streaming_topic_arn": STREAMING_TOPIC},
            OTHER_BUSINESS_NUMBER: route | {"start_chat": start},
        },
    }


def refusal(code: str, status: int = 400, **members: Any) -> ClientError:
    """The exception of the SDK for an error response."""
    answer: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "request-1"},
    }
    return ClientError(answer | members, "Call")


@dataclass(frozen=True, slots=True)
class Request:
    """One call: `service` and `operation` as the API names them, e.g. sqs and SendMessage.

    `tries` is how often the SDK would make it, with `read_timeout` and `connect_timeout` seconds for each.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]
    read_timeout: float
    connect_timeout: float
    tries: int


@dataclass(slots=True)
class Account:
    """`planned` answers come first, by operation; `always` stands for all later ones. An exception is raised.

    `problems` is what the API's models say against the requests so far.
    """

    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    planned: dict[str, list[Any]] = field(default_factory=dict)
    always: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, Table] = field(
        default_factory=lambda: {"Ledger": Table(by="text_key"), "Chats": Table(by="chat_key")}
    )
    log: io.StringIO = field(default_factory=io.StringIO)
    printed: io.StringIO = field(default_factory=io.StringIO)
    config: dict[str, Any] = field(default_factory=settings)
    queues: dict[str, Fifo] = field(init=False)
    sqs: SqsClient = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        failed = Fifo(now=time.time, visibility=30, name="failed")
        self.queues = {
            "failed": failed,
            "undelivered": Fifo(now=time.time, visibility=30, name="undelivered"),
            **{
                name: Fifo(now=time.time, visibility=180, name=name, max_receives=500, dead_letters=failed)
                for name in ("conversations", "replies")
            },
        }
        self.sqs = SqsClient({QUEUES[name]: queue for name, queue in self.queues.items()})

    def call(self, function: str, event: Mapping[str, Any]) -> Any:
        """Call the handler of one of the four functions, as after a cold start."""
        handler = importlib.import_module(f"bridge.{function}").handler
        _forget()
        with contextlib.redirect_stdout(self.printed):
            return handler(event, SimpleNamespace())

    def command(self, *arguments: str) -> int:
        """Run the `bridge` command; returns its exit code."""
        code: int = importlib.import_module("ops.cli").run([*arguments])
        return code

    def of(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of all calls of an operation."""
        return [dict(request.parameters) for request in self.requests if request.operation == operation]

    def lines(self) -> list[dict[str, Any]]:
        """The functions' log lines, parsed."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def metrics(self) -> list[dict[str, Any]]:
        """The embedded metrics of all calls of a handler, parsed."""
        return [json.loads(line) for line in self.printed.getvalue().splitlines() if line.startswith('{"_aws"')]

    def answer(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        """Replaces botocore's BaseClient._make_api_call."""
        service, model = client.meta.service_model.service_name, client.meta.service_model.operation_model(operation)
        options = client.meta.config
        request = Request(
            service,
            operation,
            copy.deepcopy(parameters),
            read_timeout=options.read_timeout,
            connect_timeout=options.connect_timeout,
            tries=(options.retries or {}).get("total_max_attempts", 5),
        )
        self.requests.append(request)
        if model.input_shape:
            self.problems += [f"{operation}: {problem}" for problem in problems_of(model.input_shape, parameters)]
            if (report := ParamValidator().validate(parameters, model.input_shape)).has_errors():
                raise ParamValidationError(report=report.generate_report())  # as the client itself would
        planned = self.planned.get(operation)
        found = planned.pop(0) if planned else self.always.get(operation)
        if isinstance(found, Exception):
            raise found
        if callable(found):
            return found(request)
        return found if found is not None else self._answer(request)

    def _answer(self, request: Request) -> Any:
        name, parameters = request.operation, dict(request.parameters)
        if request.service == "sqs":
            return getattr(self.sqs, xform_name(name))(**parameters)
        if request.service == "dynamodb":
            return self._of_table(name, parameters)
        answers = {
            "SendChatIntegrationEvent": lambda: {"InitialContactId": "contact-1", "NewChatCreated": True},
            "StartChatContact": lambda: {
                "ContactId": f"contact-{next(self._numbers)}", "ParticipantId": "p", "ParticipantToken": "participant",
            },
            "CreateParticipantConnection": lambda: {
                "ConnectionCredentials": {
                    "ConnectionToken": "connection",
                    "Expiry": f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%S.000Z}",
                }
            },
            "SendMessage": lambda: {"Id": "message", "AbsoluteTime": "2026-11-22T12:00:00.000Z"},
            "DisconnectParticipant": dict,
            "GetAttachment": lambda: {"Url": "https://example.com/file", "UrlExpiry": "2026-11-22T12:00:00.000Z"},
            "SendTextMessage": lambda: {"MessageId": "sms-1"},
            "DescribeStacks": lambda: {
                "Stacks": [
                    {
                        "StackStatus": "CREATE_COMPLETE",
                        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()],
                    }
                ]
            },
            "Publish": lambda: {"MessageId": f"sns-{next(self._numbers)}"},
            "Invoke": lambda: {"StatusCode": 202},
        }  # fmt: skip
        if name not in answers:
            raise refusal("AccessDenied", 403)
        make: Any = answers[name]
        return make()

    def _of_table(self, name: str, parameters: dict[str, Any]) -> Any:
        if name == "BatchGetItem":
            return self.tables[next(iter(parameters["RequestItems"]))].batch_get_item(**parameters)
        table = self.tables[parameters["TableName"]]
        if name == "Query":
            return {"Items": [item for page in table.paginate(**parameters) for item in page["Items"]]}
        return getattr(table, xform_name(name))(**parameters) or {}


_create_client = Session.create_client
_clients: dict[str, Any] = {}


def _client(session: Session, service_name: str, **options: Any) -> Any:
    """In the place of botocore's Session.create_client, which is slow: the same options give the same client."""
    config = options.get("config")
    stated = options | {"config": config and vars(config)["_user_provided_options"]}
    key = repr((service_name, session.get_config_variable("region"), sorted(stated.items())))
    if key not in _clients:
        _clients[key] = _create_client(session, service_name, **options)
    return _clients[key]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which everything is in its place and empty. Waiting for a retry takes no time."""
    here, clock = Account(), FakeClock()
    monkeypatch.setattr(Clock.__init__, "__defaults__", (time.time, clock.now, clock.sleep))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name, value in (("AWS_DEFAULT_REGION", REGION), ("AWS_ACCESS_KEY_ID", NUMBER), ("AWS_SECRET_ACCESS_KEY", "x")):
        monkeypatch.setenv(name, value)

    def call(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        return here.answer(client, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    monkeypatch.setattr(Session, "create_client", _client)
    read_text = Path.read_text

    def reading(path: Path, *arguments: Any, **options: Any) -> str:
        is_config = path.name == "config.json" and path.parent.name == "bridge"
        return json.dumps(here.config) if is_config else read_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", reading)
    importlib.import_module("bridge.forward")  # with it comes what logs
    loggers = {id(one): one for module in _modules() for one in vars(module).values() if isinstance(one, Logger)}
    levels = {logger: logger.log_level for logger in loggers.values()}
    for logger in levels:
        monkeypatch.setattr(logger.registered_handler, "stream", here.log)
        logger.setLevel("DEBUG")
    yield here
    for logger, level in levels.items():
        logger.setLevel(level)
    _forget()


def _modules() -> list[ModuleType]:
    return [module for name, module in sys.modules.items() if name == "bridge" or name.startswith("bridge.")]


def _forget() -> None:
    """Clear the caches that a warm function keeps between two calls."""
    for module in _modules():
        for value in list(vars(module).values()):
            if callable(clear := getattr(value, "cache_clear", None)):
                clear()
