"""The AWS SDK as the functions use it: clients whose times fit the batch deadline, and how their trouble looks.

Clients are botocore's: boto3 would make the same ones, and reads a third as much again at a cold start.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore import httpsession, session
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")


class _Context(ssl.SSLContext):
    """Reads a file of certificate authorities once.

    urllib3 has it read for each new connection, which takes longer than the call itself
    (https://github.com/urllib3/urllib3/issues/3623).
    """

    def load_verify_locations(self, *which: Any, **named: Any) -> None:
        read = self.__dict__.setdefault("read", set())
        if (key := (which, *named.items())) not in read:
            super().load_verify_locations(*which, **named)
            read.add(key)


# One for all clients. Where a botocore to come has other names for these, its own contexts do as well, but slower.
httpsession.SSLContext = _Context  # type: ignore[attr-defined]
httpsession.create_urllib3_context = cache(httpsession.create_urllib3_context)

_SESSION = session.get_session()
_MAKING = threading.Lock()
"""Clients are safe among threads; making them is not."""
_AGENT = _SESSION.user_agent()
"""Put together once: by itself botocore does so for each call, which is a tenth of what a call takes."""
_STORES = ClientConfig(
    user_agent=_AGENT,
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
    return cast("ConnectClient", _client("connect", config=_one_attempt(answer_within)))


def connectparticipant(*, answer_within: float) -> Any:
    """The participant service's client: what a customer may do in a chat."""
    return _client("connectparticipant", config=_one_attempt(answer_within))


def texting(*, answer_within: float) -> Any:
    """End User Messaging's client."""
    return _client("pinpoint-sms-voice-v2", config=_one_attempt(answer_within))


def dynamodb() -> DynamoDBClient:
    return cast("DynamoDBClient", _client("dynamodb", config=_STORES))


def dynamodb_once() -> DynamoDBClient:
    """For what is as well left out: one short try, and nobody waits for it longer."""
    return cast("DynamoDBClient", _client("dynamodb", config=_one_attempt(_SHORT, connect_within=_SHORT)))


def sqs() -> SQSClient:
    return cast("SQSClient", _client("sqs", config=_STORES))


def later(make: Callable[[], T]) -> T:
    """A client that is made when it is first called: one that only trouble needs costs no cold start anything."""
    return cast(T, _Later(make))


class _Later:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._client, self._lock = make, None, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make()
        return getattr(self._client, name)


def _client(service: str, *, config: ClientConfig) -> Any:
    with _MAKING:
        client: Any = _SESSION.create_client(service, config=config)
    bundle = _SESSION.get_config_variable("ca_bundle") or True
    if client.meta.endpoint_url.startswith("https:"):
        # Now, when a function has a whole processor, rather than with its first text.
        httpsession.create_urllib3_context().load_verify_locations(httpsession.get_cert_path(bundle), None, None)
    return client


def _one_attempt(answer_within: float, *, connect_within: float = CONNECT_TIMEOUT) -> ClientConfig:
    """Of an API that has no client token, so that when to call again is the bridge's decision alone."""
    return ClientConfig(
        user_agent=_AGENT,
        connect_timeout=connect_within,
        read_timeout=answer_within,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
    )
