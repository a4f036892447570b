"""The AWS clients of the functions, with timeouts that fit the batch deadline.

They are made with botocore: boto3 makes the same clients, and its cold start loads a third more.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from botocore import httpsession, session
from botocore.config import Config as ClientConfig
from botocore.exceptions import ReadTimeoutError

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT
from bridge.processing.latency import UsualLatency

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

T = TypeVar("T")


class _Context(ssl.SSLContext):
    """Loads a file of certificate authorities only once.

    urllib3 loads it for each new connection, which takes longer than a call
    (https://github.com/urllib3/urllib3/issues/3623).
    """

    def load_verify_locations(self, *which: Any, **named: Any) -> None:
        read = self.__dict__.setdefault("read", set())
        if (key := (which, *named.items())) not in read:
            super().load_verify_locations(*which, **named)
            read.add(key)


# One context for all clients. If a later botocore renames these two, its own contexts are used, which are slower.
httpsession.SSLContext = _Context  # type: ignore[attr-defined]
httpsession.create_urllib3_context = cache(httpsession.create_urllib3_context)

_SESSION = session.get_session()
_CREATING = threading.Lock()
"""Clients are thread-safe; creating them is not."""
_AGENT = _SESSION.user_agent()
"""Built once: botocore would build it for each call, in a tenth of the call's CPU time."""
_STORES = ClientConfig(
    user_agent=_AGENT,
    connect_timeout=0.5,
    read_timeout=STORE_TIMEOUT - 0.5,
    retries={"mode": "standard", "total_max_attempts": 3},
    tcp_keepalive=True,
)
_SHORT = 0.5
"""Seconds to connect to DynamoDB, and for its response, in a best-effort write."""


def connect(read_timeout: float) -> ConnectClient:
    return cast("ConnectClient", _client("connect", config=_single_attempt(read_timeout)))


def connectparticipant(read_timeout: float) -> Any:
    """The Amazon Connect participant service. Times in seconds."""
    return _client("connectparticipant", config=_single_attempt(read_timeout))


def sms(read_timeout: float) -> Any:
    """AWS End User Messaging SMS."""
    return _client("pinpoint-sms-voice-v2", config=_single_attempt(read_timeout))


def dynamodb() -> DynamoDBClient:
    return cast("DynamoDBClient", _client("dynamodb", config=_STORES))


def dynamodb_single_attempt() -> DynamoDBClient:
    """For best-effort writes: one short attempt."""
    return cast("DynamoDBClient", _client("dynamodb", config=_single_attempt(_SHORT, connect_timeout=_SHORT)))


def sqs() -> SQSClient:
    return cast("SQSClient", _client("sqs", config=_STORES))


def lazy_client(make: Callable[[], T]) -> T:
    """A client that is created at its first call, so that one for errors only costs no time at a cold start."""
    return cast(T, _LazyClient(make))


class _LazyClient:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._client, self._lock = make, None, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._make()
        return getattr(self._client, name)


def adaptive_client(
    make: Callable[[float], T], *, longest: float, monotonic: Callable[[], float] = time.monotonic
) -> T:
    """A client that stops waiting for an answer after a few seconds where answers usually come sooner.

    One call that hangs holds up what came in the same batch.

    Parameters:
        make: creates a client with a read timeout, in seconds.
        longest: the read timeout while answers are slow or their latency is unknown, in seconds.
    """
    return cast(T, _AdaptiveClient(make, longest, monotonic))


class _AdaptiveClient:
    def __init__(self, make: Callable[[float], Any], longest: float, monotonic: Callable[[], float]) -> None:
        self._make, self._longest, self._monotonic = make, longest, monotonic
        self._clients: dict[float, Any] = {longest: make(longest)}
        self._latencies: dict[str, UsualLatency] = {}
        self._lock = threading.Lock()

    def __getattr__(self, operation: str) -> Any:
        with self._lock:
            latency = self._latencies.setdefault(operation, UsualLatency(longest=self._longest))
            timeout = latency.short_timeout or self._longest
            if timeout not in self._clients:
                self._clients[timeout] = self._make(timeout)
            call = getattr(self._clients[timeout], operation)

        def timed(**arguments: Any) -> Any:
            began = self._monotonic()
            try:
                answer = call(**arguments)
            except ReadTimeoutError:
                latency.timed_out()
                raise
            latency.answered(self._monotonic() - began)
            return answer

        return timed


def _client(service: str, *, config: ClientConfig) -> Any:
    with _CREATING:
        client: Any = _SESSION.create_client(service, config=config)
    bundle = _SESSION.get_config_variable("ca_bundle") or True
    if client.meta.endpoint_url.startswith("https:"):
        # During the cold start, which has a full CPU, and not with the first message.
        httpsession.create_urllib3_context().load_verify_locations(httpsession.get_cert_path(bundle), None, None)
    return client


def _single_attempt(read_timeout: float, *, connect_timeout: float = CONNECT_TIMEOUT) -> ClientConfig:
    """For APIs without a client token: only the bridge repeats calls."""
    return ClientConfig(
        user_agent=_AGENT,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": 1},
        tcp_keepalive=True,
    )
