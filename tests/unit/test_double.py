"""The contact-centre double, asked by a real botocore client, without sockets."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.double.app import create_app
from sandbox.double.connect import ContactCentre, Settings, TokenBucket
from sandbox.double.faults import Fault, Faults, Kind
from sandbox.double.model import rest_json

CUSTOMER = "+14255550182"
ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef"
MESSAGE = {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "hello"}
TYPING = {"Type": "EVENT", "ContentType": "application/vnd.amazonaws.connect.event.typing"}
DISCONNECT = {"Type": "DISCONNECT"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@functools.cache
def client() -> Any:
    """One for all tests: to load the model of `connect` takes a while."""
    return boto3.client(
        "connect",
        region_name="us-east-1",
        aws_access_key_id="111122223333",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


class World:
    """The double, a botocore client that talks to it in process, and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cut: list[Any] = []
        self.centre = ContactCentre(clock=self.clock, monotonic=self.clock)
        self.app = create_app(self.centre, cut=self.cut.append)
        self.connect = client()

    def send(self, *, source: str = CUSTOMER, destination: str = ARN, **more: Any) -> dict[str, Any]:
        request = {"SourceId": source, "DestinationId": destination, "Subtype": "connect:sms", "Event": MESSAGE}
        return self.connect.send_chat_integration_event(**request | more)  # type: ignore[no-any-return]

    def refusal(self, **request: Any) -> str:
        """The code of the modelled exception that the client raises."""
        with pytest.raises(ClientError) as caught:
            self.send(**request)
        code: str = caught.value.response["Error"]["Code"]
        assert isinstance(caught.value, getattr(self.connect.exceptions, code)), "not modelled"
        assert caught.value.response["Error"]["Message"]
        return code

    def http(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://double") as client:
                return await client.request(method, path, **how)

        return asyncio.run(call())

    def control(self, method: str, path: str, **how: Any) -> Any:
        response = self.http(method, f"/_double/{path}", **how)
        assert response.is_success, response.text
        return response.json()

    def answer(self, request: AWSPreparedRequest, **_: Any) -> Any:
        """In place of the network: what a handler of botocore's before-send returns is the response."""
        path = "/" + request.url.split("/", 3)[3]
        headers = {key: v if isinstance(v, str) else v.decode() for key, v in request.headers.items()}
        response = self.http(request.method, path, headers=headers, content=request.body)
        return AWSResponse(request.url, response.status_code, _headers(response), _Raw(response.content))


def _headers(response: httpx.Response) -> HTTPHeaders:
    headers = HTTPHeaders()
    for name, value in response.headers.items():
        headers[name] = value
    return headers


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    client().meta.events.register("before-send.connect", world.answer)
    yield world
    client().meta.events.unregister("before-send.connect", world.answer)


def test_a_first_message_starts_a_chat_and_the_next_joins_it(world: World) -> None:
    first, second = world.send(), world.send()
    assert first["NewChatCreated"] is True
    assert second["NewChatCreated"] is False
    assert first["InitialContactId"] == second["InitialContactId"]


def test_another_customer_or_number_has_a_chat_of_its_own(world: World) -> None:
    world.send()
    assert world.send(source="+14255550183")["NewChatCreated"] is True
    assert world.send(destination=ARN + "2")["NewChatCreated"] is True
    assert world.control("GET", "status")["chats"] == 3


def test_details_of_a_new_session_are_used_only_for_a_new_chat(world: World) -> None:
    world.send(NewSessionDetails={"ParticipantDetails": {"DisplayName": "Ana"}, "Attributes": {"queue": "sales"}})
    world.send(NewSessionDetails={"ParticipantDetails": {"DisplayName": "Bea"}, "Attributes": {"not a key": "x"}})
    (chat,) = world.control("GET", "chats")["chats"]
    assert chat["display_name"] == "Ana"
    assert chat["attributes"] == {"queue": "sales"}


def test_a_disconnect_ends_the_chat_and_the_next_message_starts_another(world: World) -> None:
    first = world.send()
    assert world.send(Event=DISCONNECT)["InitialContactId"] == first["InitialContactId"]
    assert world.send()["InitialContactId"] != first["InitialContactId"]
    assert [chat["ended"] for chat in world.control("GET", "chats")["chats"]] == [True, False]


@pytest.mark.parametrize("event", [DISCONNECT, TYPING])
def test_what_needs_a_chat_is_refused_without_one(world: World, event: dict[str, str]) -> None:
    assert world.refusal(Event=event) == "ResourceNotFoundException"


@pytest.mark.parametrize("event", [DISCONNECT, TYPING])
def test_what_needs_a_chat_can_be_answered_without_a_contact(world: World, event: dict[str, str]) -> None:
    world.control("POST", "settings", json={"without_chat": "ignored"})
    answer = world.send(Event=event)
    assert "InitialContactId" not in answer
    assert answer["NewChatCreated"] is False


def test_a_chat_ends_by_itself_after_25_hours(world: World) -> None:
    first = world.send()
    world.clock.now += 25 * 3600 - 1
    assert world.send()["InitialContactId"] == first["InitialContactId"]
    world.clock.now += 1
    assert world.send()["NewChatCreated"] is True
    assert world.control("GET", "chats")["chats"][0]["ended_at"] == 1_000_000 + 25 * 3600


def test_the_journal_holds_accepted_calls_in_order(world: World) -> None:
    world.send()
    world.refusal(Event={**MESSAGE, "ContentType": "text/html"})
    world.send(Event=TYPING)
    world.send(Event=DISCONNECT)
    entries = world.control("GET", "journal")["entries"]
    assert [(e["n"], e["type"], e["new_chat"]) for e in entries] == [
        (1, "MESSAGE", True),
        (2, "EVENT", False),
        (3, "DISCONNECT", False),
    ]
    assert entries[0]["content"] == "hello"
    assert entries[0]["source"] == CUSTOMER
    assert entries[0]["destination"] == ARN
    assert world.control("GET", "journal", params={"after": 2})["entries"] == entries[2:]
    assert world.control("GET", "status")["accepted"] == 3
    assert world.control("GET", "status")["refused"] == {"InvalidRequestException": 1}


@pytest.mark.parametrize(
    "request_",
    [
        {"source": ""},
        {"source": "1" * 256},
        {"source": 14255550182},
        {"destination": "+12125550101"},
        {"destination": "arn:aws:sns:us-east-1:111122223333:topic"},
        {"destination": "x" * 256},
        {"Subtype": "connect:fax"},
        {"Event": {}},
        {"Event": {"Type": "SHOUT"}},
        {"Event": {**MESSAGE, "Content": ""}},
        {"Event": {**MESSAGE, "Content": "x" * 1025}},
        {"Event": {**MESSAGE, "Content": "😀" * 513}},
        {"Event": {**MESSAGE, "ContentType": "text/markdown"}},
        {"Event": {"Type": "MESSAGE", "ContentType": "text/plain"}},
        {"Event": {"Type": "MESSAGE", "Content": "x"}},
        {"Event": {"Type": "EVENT"}},
        {"Event": {"Type": "EVENT", "ContentType": "text/plain"}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": ["text/markdown"]}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": ["text/plain", "text/html"]}},
        {"NewSessionDetails": {"SupportedMessagingContentTypes": "text/plain"}},
        {"NewSessionDetails": {"ParticipantDetails": {}}},
        {"NewSessionDetails": {"ParticipantDetails": {"DisplayName": "x" * 257}}},
        {"NewSessionDetails": {"StreamingConfiguration": {"StreamingEndpointArn": "x" * 351}}},
        {"NewSessionDetails": {"Attributes": {"a key": "x"}}},
        {"NewSessionDetails": {"Attributes": {"n": 1}}},
        {"NewSessionDetails": {"Attributes": {"a": "é" * 16384}}},
    ],
    ids=str,
)
def test_what_the_api_forbids_is_an_invalid_request(world: World, request_: dict[str, Any]) -> None:
    assert world.refusal(**request_) == "InvalidRequestException"
    assert world.control("GET", "journal")["entries"] == []


def test_the_limits_themselves_are_allowed(world: World) -> None:
    world.send(Event={**MESSAGE, "Content": "😀" * 512})
    world.send(source="+14255550183", NewSessionDetails={"Attributes": {"a-B_9": "é" * 16381 + "x"}})


def test_a_member_that_the_model_does_not_know_is_refused_by_name(world: World) -> None:
    body = {"SourceId": CUSTOMER, "DestinationId": ARN, "Event": {**MESSAGE, "Colour": "red"}, "InstanceId": "x"}
    headers = {"authorization": "AWS4-HMAC-SHA256 ..."}
    response = world.http("POST", "/chat-integration-event", json=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["Message"] == "Event.Colour is not a member; InstanceId is not a member"


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"7", b'{"Event": [], "SourceId": {}, "DestinationId": null}'])
def test_a_body_of_another_shape_is_refused(world: World, body: bytes) -> None:
    headers = {"authorization": "AWS4-HMAC-SHA256 ..."}
    response = world.http("POST", "/chat-integration-event", content=body, headers=headers)
    assert (response.status_code, response.headers["x-amzn-errortype"].split(":")[0]) == (
        400,
        "InvalidRequestException",
    )


def test_an_unsigned_call_is_refused(world: World) -> None:
    assert world.http("POST", "/chat-integration-event", json={}).status_code == 403


def test_an_operation_that_the_double_does_not_play_says_so(world: World) -> None:
    with pytest.raises(ClientError, match="the double does not play ListQueues"):
        world.connect.list_queues(InstanceId="12345678-1234-1234-1234-123456789012")
    assert world.http("GET", "/nowhere").json() == {"message": "the double does not play GET /nowhere"}


def test_half_a_surrogate_pair_comes_back_as_it_was_sent(world: World) -> None:
    world.send(Event={**MESSAGE, "Content": "broken \ud83d"})
    assert world.control("GET", "journal")["entries"][0]["content"] == "broken \ud83d"


def test_calls_over_the_burst_are_throttled_and_the_rate_lets_more_in(world: World) -> None:
    for _ in range(26):
        world.send()
    assert world.refusal() == "ThrottlingException"
    world.clock.now += 1
    for _ in range(17):
        world.send()
    assert world.refusal() == "ThrottlingException"
    assert world.control("GET", "status")["accepted"] == 43


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=2, clock=clock)
    clock.now += 3600
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_a_chat_over_the_quota_is_refused_while_others_go_on(world: World) -> None:
    world.control("POST", "settings", json={"chat_limit": 1})
    world.send()
    assert world.refusal(source="+14255550183") == "ThrottlingException"
    world.send()
    world.send(Event=DISCONNECT)
    world.send(source="+14255550183")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttle", "ThrottlingException", 429),
        ("error", "InternalServiceException", 500),
        ("refuse", "AccessDeniedException", 403),
        ("not-found", "ResourceNotFoundException", 404),
        ("chat-limit", "ThrottlingException", 429),
    ],
)
def test_a_fault_answers_so_many_calls_with_its_error(world: World, fault: str, code: str, status: int) -> None:
    world.control("POST", "faults", json={"fault": fault, "times": 2})
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            world.send()
        assert caught.value.response["Error"]["Code"] == code
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    world.send()
    assert world.control("GET", "status")["faults"] == []
    assert world.control("GET", "status")["accepted"] == 1


def test_a_fault_stands_until_removed(world: World) -> None:
    world.control("POST", "faults", json={"fault": "refuse"})
    assert {world.refusal() for _ in range(5)} == {"AccessDeniedException"}
    world.control("DELETE", "faults")
    world.send()


def test_a_fault_can_be_of_one_customer_or_operation(world: World) -> None:
    world.control("POST", "faults", json={"fault": "refuse", "source": CUSTOMER})
    world.control("POST", "faults", json={"fault": "error", "operation": "StartChatContact"})
    assert world.refusal() == "AccessDeniedException"
    world.send(source="+14255550183")


def test_a_quota_error_that_is_not_modelled_can_be_chosen(world: World) -> None:
    world.control("POST", "settings", json={"chat_limit": 0, "chat_limit_error": "LimitExceededException"})
    with pytest.raises(ClientError) as caught:
        world.send()
    assert caught.value.response["Error"]["Code"] == "LimitExceededException"


def test_shares_hit_the_same_calls_for_the_same_seed_and_are_of_all_calls() -> None:
    def drawn() -> list[Kind | None]:
        faults = Faults()
        faults.add(Fault(fault=Kind.THROTTLE, share=0.3, seed=7))
        faults.add(Fault(fault=Kind.ERROR, share=0.1, seed=8))
        hits = (faults.draw(operation="x", source=None) for _ in range(10_000))
        return [hit.fault if hit else None for hit in hits]

    first = drawn()
    assert first == drawn()
    assert first.count(Kind.THROTTLE) == pytest.approx(3000, abs=150)
    assert first.count(Kind.ERROR) == pytest.approx(1000, abs=100)


def test_reset_makes_the_double_as_new(world: World) -> None:
    world.send()
    world.control("POST", "faults", json={"fault": "refuse"})
    world.control("POST", "settings", json={"rate": 1, "chat_limit": 3})
    status = world.control("POST", "reset")
    assert (status["accepted"], status["chats"], status["faults"], status["refused"]) == (0, 0, [], {})
    assert (status["rate"], status["burst"], status["chat_limit"]) == (17, 26, 500)
    assert world.send()["NewChatCreated"] is True


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"fault": "earthquake"}),
        ("faults", {"fault": "error", "times": 0}),
        ("faults", {"fault": "error", "share": 1.5}),
        ("faults", {"fault": "error", "times": 1, "share": 0.5}),
        ("faults", {"fault": "error", "often": True}),
        ("settings", {"rate": 0}),
        ("settings", {"speed": 9}),
        ("settings", [1]),
    ],
)
def test_a_control_that_makes_no_sense_is_refused_with_a_reason(world: World, path: str, body: Any) -> None:
    response = world.http("POST", f"/_double/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_operations_are_found_by_method_and_path_with_their_labels() -> None:
    api = rest_json("connect")
    found = api.find("PUT", "/contact/chat")
    assert found and found[0].name == "StartChatContact"
    found = api.find("GET", "/contacts/11111111-2222/a%20b")
    assert found and found[0].name == "DescribeContact"
    assert found[1] == {"InstanceId": "11111111-2222", "ContactId": "a b"}


def test_an_answer_that_the_model_forbids_is_a_defect_of_the_double() -> None:
    api = rest_json("connect")
    found = api.find("POST", "/chat-integration-event")
    assert found
    with pytest.raises(ValueError, match="InitialContactId must be of type string"):
        api.write(found[0], {"InitialContactId": 7})


def test_headers_and_labels_reach_the_request() -> None:
    api = rest_json("connectparticipant")
    found = api.find("POST", "/participant/message")
    assert found
    operation, labels = found
    body = json.dumps({"ContentType": "text/plain", "Content": "x"}).encode()
    request = api.read(operation, labels=labels, query={}, headers={"x-amz-bearer": "token"}, body=body)
    assert request == {"ConnectionToken": "token", "ContentType": "text/plain", "Content": "x"}


def test_settings_of_the_start_are_what_connect_grants_an_account() -> None:
    assert Settings().model_dump(include={"rate", "burst", "chat_limit", "chat_seconds"}) == {
        "rate": 17,
        "burst": 26,
        "chat_limit": 500,
        "chat_seconds": 25 * 3600,
    }
