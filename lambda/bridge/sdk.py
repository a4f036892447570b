"""The AWS SDK as the functions use it: clients whose times fit the batch deadline, and how their trouble looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_STORES = ClientConfig(
    connect_timeout=0.5,
    read_timeout=STORE_TIMEOUT - 0.5,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
)
_SHORT = 0.5
"""Seconds to reach the ledger, and as long again for its answer, where it is as well left out."""
TROUBLE = (ClientError, BotoCoreError, ResponseParserError)
"""What a call can raise: an answer that says no, no answer, or an answer that was cut off."""


def why(exc: BaseException) -> str:
    """The error code of an answer, or the class of what went wrong without one. Never the vendor's message."""
    return str(exc.response["Error"]["Code"]) if isinstance(exc, ClientError) else type(exc).__name__


def connect(*, answer_within: float) -> ConnectClient:
    return boto3.client("connect", config=_one_attempt(answer_within))


def connectparticipant(*, answer_within: float) -> Any:
    """The participant service's client: what a customer may do in a chat."""
    return boto3.client("connectparticipant", config=_one_attempt(answer_within))


def texting(*, answer_within: float) -> Any:
    """End User Messaging's client."""
    return boto3.client("pinpoint-sms-voice-v2", config=_one_attempt(answer_within))


def dynamodb() -> DynamoDBClient:
    return boto3.client("dynamodb", config=_STORES)


def dynamodb_once() -> DynamoDBClient:
    """For what is as well left out: one short try, and nobody waits for it longer."""
    return boto3.client("dynamodb", config=_one_attempt(_SHORT, connect_within=_SHORT))


def sqs() -> SQSClient:
    return boto3.client("sqs", config=_STORES)


def _one_attempt(answer_within: float, *, connect_within: float = CONNECT_TIMEOUT) -> ClientConfig:
    """Of an API that has no client token, so that when to call again is the bridge's decision alone."""
    return ClientConfig(
        connect_timeout=connect_within,
        read_timeout=answer_within,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
    )
