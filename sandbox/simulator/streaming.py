"""Message streaming: what Connect publishes to the SNS topics of a chat, with duplicates and delays on request.

Source: "Use the Amazon SNS payload after enabling message streaming" in the Amazon Connect administrator guide.
"""

from __future__ import annotations

import heapq
import json
import random
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.simulator.chats import Chat, Item
from sandbox.simulator.resources import ACCOUNT, INSTANCE
from sandbox.simulator.settings import Settings

Done = Callable[[str | None], None]
"""Called after each publication, with None or the error."""
Publish = Callable[[dict[str, Any], float, Done], None]
"""Starts to publish a notification after a delay in seconds, and returns at once."""

MAX_ATTEMPTS = 3


class Notifications:
    """All notifications in order, with how often each was published."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self.sent: list[dict[str, Any]] = []

    def apply(self, settings: Settings) -> None:
        self._settings = settings
        # With the same seed, every run disturbs the same notifications; nothing secret depends on it.
        self._rng = random.Random(settings.notify_seed)  # noqa: S311

    def publish(self, chat: Chat, item: Item, topic: str, *, copies: int = 1, delay: float = 0) -> None:
        body, attributes = notification(chat, item)
        entry: dict[str, Any] = {
            "n": len(self.sent) + 1,
            "at": item.at,
            "topic": topic,
            "attributes": attributes,
            "body": body,
            "published": 0,
            "error": None,
        }
        self.sent.append(entry)
        copies += self._rng.random() < self._settings.notify_twice
        delay += self._settings.notify_late_seconds if self._rng.random() < self._settings.notify_late else 0
        self._start(entry, copies=copies, delay=delay)

    def publish_again(self, n: int, *, copies: int = 1, delay: float = 0) -> dict[str, Any]:
        """Publishes notification `n` again, byte for byte. Raises ValueError when there is none."""
        if not 1 <= n <= len(self.sent):
            raise ValueError(f"there is no notification {n}; the last one is {len(self.sent)}")
        self._start(self.sent[n - 1], copies=copies, delay=delay)
        return self.sent[n - 1]

    def _start(self, entry: dict[str, Any], *, copies: int, delay: float) -> None:
        def done(error: str | None) -> None:
            entry["error"] = error
            entry["published"] += error is None

        for _ in range(copies):
            self._publish(entry, delay, done)


def notification(chat: Chat, item: Item) -> tuple[dict[str, Any], dict[str, str]]:
    """Body and SNS message attributes of an item.

    (?) An event of no participant, such as `chat.ended`, has no ParticipantRole in the body (as in transcripts) and
    none in the attributes: a filter policy must accept it with and without. (?) The attribute Type of an attachment:
    the guide names MESSAGE and EVENT only, transcripts have ATTACHMENT.
    """
    attributes = {
        "InitialContactId": chat.contact,
        "ContactId": item.contact_id,
        "Type": item.type,
        "ContentType": item.content_type,
        "MessageVisibility": item.visibility,
        "InstanceId": INSTANCE,
        "AccountId": ACCOUNT,
    }
    if item.by:
        attributes["ParticipantRole"] = item.by.role
    return item.describe() | {"InitialContactId": chat.contact}, attributes


def unpublished(_: Mapping[str, Any], __: float, done: Done) -> None:
    """Publishes nothing. The notifications can still be read from the simulator."""
    done("the simulator was started without --aws")


class SnsPublisher:
    """Publishes to SNS topics. The notifications of a chat keep their order, except those with a delay."""

    def __init__(self, endpoint_url: str, *, threads: int = 4) -> None:
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._queues = [_Queue(self._send) for _ in range(threads)]

    def __call__(self, entry: dict[str, Any], delay: float, done: Done) -> None:
        chat = entry["body"]["InitialContactId"]
        self._queues[zlib.crc32(chat.encode()) % len(self._queues)].put(delay, entry, done)

    def _send(self, entry: Mapping[str, Any], done: Done) -> None:
        values = {name: {"DataType": "String", "StringValue": text} for name, text in entry["attributes"].items()}
        try:
            self._client(entry["topic"]).publish(
                TopicArn=entry["topic"], Message=json.dumps(entry["body"]), MessageAttributes=values
            )
        except (BotoCoreError, ClientError) as exc:
            done(str(exc))
        else:
            done(None)

    def _client(self, topic: str) -> Any:
        region = topic.split(":")[3]
        with self._making:
            if region not in self._clients:
                self._clients[region] = boto3.client(
                    "sns",
                    region_name=region,
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id=ACCOUNT,
                    aws_secret_access_key="sandbox",  # noqa: S106
                    config=Config(retries={"total_max_attempts": MAX_ATTEMPTS}, proxies={}),
                )
            return self._clients[region]


class _Queue:
    """A thread that publishes each notification when it is due."""

    def __init__(self, work: Callable[[Mapping[str, Any], Done], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Mapping[str, Any], Done]] = []
        self._count = 0
        threading.Thread(target=self._run, daemon=True).start()

    def put(self, delay: float, entry: Mapping[str, Any], done: Done) -> None:
        with self._changed:
            self._count += 1
            heapq.heappush(self._waiting, (time.monotonic() + delay, self._count, entry, done))
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or (left := self._waiting[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left if self._waiting else None)
                _, _, entry, done = heapq.heappop(self._waiting)
            self._work(entry, done)
