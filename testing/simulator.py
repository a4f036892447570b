"""The simulator without sockets: botocore clients whose requests go to the application in this process."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.simulator.app import create_app
from sandbox.simulator.contact_centre import ContactCentre
from sandbox.simulator.streaming import Done

CUSTOMER, OTHER = "+14255550182", "+14255550183"
BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER = "+12125550101", "+12125550102"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"
ARN_TOO = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210fedcba9876543210"
TOPIC = "arn:aws:sns:us-east-1:111122223333:agents"
INSTANCE = "12345678-1234-1234-1234-123456789012"
FLOW = f"arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}/contact-flow/{INSTANCE}"
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
EVENT = "application/vnd.amazonaws.connect.event."
MESSAGE = {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "hello"}
TYPING = {"Type": "EVENT", "ContentType": f"{EVENT}typing"}
DISCONNECT = {"Type": "DISCONNECT"}
SERVICES = ("connect", "connectparticipant", "pinpoint-sms-voice-v2")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@functools.cache
def _client(service: str) -> Any:
    """One client for all tests: loading the model of `connect` takes long."""
    session: Any = boto3
    return session.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


class SimulatorHarness:
    """The simulator with two business numbers and high rates, a client of each service, and a list instead of SNS."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.published: list[tuple[dict[str, Any], float]] = []
        self.centre = ContactCentre(clock=self.clock, monotonic=self.clock, publish=self._publish)
        self._app = create_app(self.centre, cut=lambda _: None)
        self.connect, self.participant, self.sms = (_client(service) for service in SERVICES)
        self.control(
            "POST",
            "numbers",
            json=[{"number": BUSINESS_NUMBER, "arn": ARN}, {"number": OTHER_BUSINESS_NUMBER, "arn": ARN_TOO}],
        )
        self.control("POST", "settings", json={"rates": {"*": [1000, 1000]}, "recipient_rate": 1000})

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[SimulatorHarness]:
        """The clients' requests go to this simulator until the end of the block."""
        harness = cls()
        for service in SERVICES:
            _client(service).meta.events.register(f"before-send.{service}", harness._respond)
        yield harness
        for service in SERVICES:
            _client(service).meta.events.unregister(f"before-send.{service}", harness._respond)

    def http(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
                return await client.request(method, path, **how)

        return asyncio.run(call())

    def control(self, method: str, path: str, **how: Any) -> Any:
        response = self.http(method, f"/_simulator/{path}", **how)
        assert response.is_success, response.text
        return response.json()

    def send_event(self, *, source: str = CUSTOMER, destination: str = ARN, **more: Any) -> dict[str, Any]:
        """SendChatIntegrationEvent."""
        request = {"SourceId": source, "DestinationId": destination, "Subtype": "connect:sms", "Event": MESSAGE}
        return self.connect.send_chat_integration_event(**request | more)  # type: ignore[no-any-return]

    def start(self, *, customer: str = CUSTOMER, **more: Any) -> dict[str, Any]:
        """StartChatContact, chat_record to TOPIC."""
        request = {
            "InstanceId": INSTANCE,
            "ContactFlowId": FLOW,
            "ParticipantDetails": {"DisplayName": "Ana"},
            "Attributes": {"originationNumber": customer, "destinationNumber": BUSINESS_NUMBER},
            "ChatStreamingConfiguration": {"StreamingEndpointArn": TOPIC},
        }
        request |= more
        return self.connect.start_chat_contact(**{k: v for k, v in request.items() if v})  # type: ignore[no-any-return]

    def join(self, started: dict[str, Any], **more: Any) -> str:
        """CreateParticipantConnection: the connection token."""
        request = {"Type": ["CONNECTION_CREDENTIALS"], "ConnectParticipant": True} | more
        answer = self.participant.create_participant_connection(ParticipantToken=started["ParticipantToken"], **request)
        return str(answer["ConnectionCredentials"]["ConnectionToken"])

    def chat(self, **how: Any) -> tuple[str, str]:
        """A chat with a connected customer: its contact id and the connection token."""
        started = self.start(**how)
        return started["ContactId"], self.join(started)

    def send_message(self, token: str, content: str = "hello", **more: Any) -> dict[str, Any]:
        request = {"ContentType": "text/plain", "Content": content} | more
        return self.participant.send_message(ConnectionToken=token, **request)  # type: ignore[no-any-return]

    def send_text(self, body: str = "hi", *, to: str = CUSTOMER, origin: str = ARN, **more: Any) -> str:
        """SendTextMessage: the message id."""
        answer = self.sms.send_text_message(
            DestinationPhoneNumber=to, OriginationIdentity=origin, MessageBody=body, **more
        )
        return str(answer["MessageId"])

    def act(self, action: str, chat: str, **more: Any) -> dict[str, Any]:
        return self.control("POST", "agent", json={"action": action, "chat": chat, **more})  # type: ignore[no-any-return]

    def act_error(self, action: str, chat: str, **more: Any) -> str:
        """The error of an action that is refused."""
        response = self.http("POST", "/_simulator/agent", json={"action": action, "chat": chat, **more})
        assert response.status_code == 400
        return str(response.json()["error"])

    def status(self) -> dict[str, Any]:
        return self.control("GET", "status")  # type: ignore[no-any-return]

    def journal(self) -> list[dict[str, Any]]:
        return self.control("GET", "journal")["entries"]  # type: ignore[no-any-return]

    def chats(self) -> list[dict[str, Any]]:
        return self.control("GET", "chats")["chats"]  # type: ignore[no-any-return]

    def messages(self) -> list[tuple[str, str]]:
        """Role and content of each message of the first chat."""
        return [(message["role"], message["content"]) for message in self.chats()[0]["messages"]]

    def phone(self, number: str = CUSTOMER) -> list[str]:
        return [text["body"] for text in self.control("GET", "phone", params={"number": number})["texts"]]

    def notified(self) -> list[tuple[str, str | None]]:
        """Content type (of an event, without its prefix) and content of every notification."""
        bodies = [entry["body"] for entry, _ in self.published]
        return [(body["ContentType"].removeprefix(EVENT), body.get("Content")) for body in bodies]

    def _publish(self, entry: dict[str, Any], delay: float, done: Done) -> None:
        self.published.append((entry, delay))
        done(None)

    def _respond(self, request: AWSPreparedRequest, **_: Any) -> Any:
        """A handler of botocore's event before-send: what it returns is the response."""
        path = "/" + request.url.split("/", 3)[3]
        headers = {key: v if isinstance(v, str) else v.decode() for key, v in request.headers.items()}
        response = self.http(request.method, path, headers=headers, content=request.body)
        received: Any = HTTPHeaders()
        for name, value in response.headers.items():
            received[name] = value
        return AWSResponse(request.url, response.status_code, received, _Raw(response.content))


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def refusal(call: Any, *arguments: Any, **request: Any) -> str:
    """The error code of a call that is refused, with its Reason if it has one."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    error = caught.value.response
    assert error["Error"]["Message"]
    return f"{error['Error']['Code']} {dict(error).get('Reason', '')}".rstrip()
