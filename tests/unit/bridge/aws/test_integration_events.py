"""The transport of integration-event delivery: requests as the API documents them, errors as classes of the bridge."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from bridge import errors
from bridge.aws.integration_events import IntegrationEvents
from bridge.processing.rate_limiter import RateLimiter
from bridge.texts.chat_messages import ChatPart, NewSession
from bridge.texts.delivery import Accepted, NoOpenChat, PartRequest
from testing.builders import ARN, BUSINESS_NUMBER, CONFIG, CUSTOMER, payload, text_message

SMS = text_message(payload()).parsed.required()
SESSION = NewSession(
    display_name="Customer",
    attributes={"queue": "sales"},
    supported_content_types=("text/plain",),
    streaming_topic_arn="arn:aws:sns:us-east-1:111122223333:streaming",
)


@pytest.fixture
def stub() -> Stubber:
    client = boto3.client(
        "connect", region_name="us-east-1", aws_access_key_id="111122223333", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return stubber


def send(stub: Stubber, part: ChatPart = ChatPart("MESSAGE", "hi")) -> Accepted | NoOpenChat:
    client: Any = stub.client
    request = PartRequest(
        part=part, number=0, sms=SMS, route=CONFIG.routes[BUSINESS_NUMBER], session=SESSION, deadline=float("inf")
    )
    limiter = RateLimiter(rate=1000, environments=1)
    return IntegrationEvents(client=client, rate_limiter=limiter).send(request)


def test_a_message_uses_every_field_as_the_api_documents_it(stub: Stubber) -> None:
    stub.add_response(
        "send_chat_integration_event",
        {"InitialContactId": "contact", "NewChatCreated": True},
        {
            "SourceId": CUSTOMER,
            "DestinationId": ARN,
            "Subtype": "connect:sms",
            "Event": {"Type": "MESSAGE", "ContentType": "text/plain", "Content": "hi"},
            "NewSessionDetails": {
                "SupportedMessagingContentTypes": ["text/plain"],
                "ParticipantDetails": {"DisplayName": "Customer"},
                "Attributes": {"queue": "sales"},
                "StreamingConfiguration": {"StreamingEndpointArn": "arn:aws:sns:us-east-1:111122223333:streaming"},
            },
        },
    )
    assert send(stub) == Accepted("contact", True)


@pytest.mark.parametrize("code", ["InvalidRequestException", "ResourceNotFoundException"])
def test_a_rejected_disconnect_event_means_that_no_chat_is_open(stub: Stubber, code: str) -> None:
    stub.add_client_error("send_chat_integration_event", code, http_status_code=400)
    assert send(stub, ChatPart("DISCONNECT")) == NoOpenChat()


def test_a_disconnect_names_the_contact_that_it_ended(stub: Stubber) -> None:
    stub.add_response("send_chat_integration_event", {"InitialContactId": "contact"})
    assert send(stub, ChatPart("DISCONNECT")) == Accepted("contact", new_chat=False)


def test_a_disconnect_starts_no_chat_and_has_no_content(stub: Stubber) -> None:
    stub.add_response(
        "send_chat_integration_event",
        {},
        {"SourceId": CUSTOMER, "DestinationId": ARN, "Subtype": "connect:sms", "Event": {"Type": "DISCONNECT"}},
    )
    assert send(stub, ChatPart("DISCONNECT")) == NoOpenChat()


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("InvalidRequestException", 400, errors.RejectedError),
        ("ValidationException", 400, errors.RejectedError),
        ("AccessDeniedException", 403, errors.AccessRefusedError),
        ("ResourceNotFoundException", 404, errors.NotFoundError),
        ("ServiceQuotaExceededException", 402, errors.ChatLimitError),
        ("ThrottlingException", 429, errors.ThrottledError),
        ("SomethingNew", 429, errors.ThrottledError),
        ("InternalServiceException", 500, errors.UnavailableError),
        ("SomethingNew", 503, errors.UnavailableError),
        ("ExpiredTokenException", 403, errors.AccessRefusedError),
        ("SomethingNew", 400, errors.AccessRefusedError),
    ],
)
def test_an_answer_is_translated_by_code_and_status(
    stub: Stubber, code: str, status: int, expected: type[Exception]
) -> None:
    stub.add_client_error("send_chat_integration_event", code, "no", http_status_code=status)
    with pytest.raises(expected) as caught:
        send(stub)
    assert type(caught.value) is expected
    assert code in str(caught.value)


def test_an_error_message_of_the_service_is_neither_used_nor_passed_on(stub: Stubber) -> None:
    """An error message of AWS often quotes the rejected value: here, a text and a number."""
    said = f"Throttling: value 'my PIN is 4711' at 'event.content' of {CUSTOMER} is wrong"
    stub.add_client_error(
        "send_chat_integration_event",
        "InvalidRequestException",
        said,
        http_status_code=400,
        response_meta={"RequestId": "request-1"},
    )
    with pytest.raises(errors.RejectedError) as caught:
        send(stub)
    assert str(caught.value) == "Connect answered InvalidRequestException (400), request request-1"


def test_a_missing_response_is_a_lost_answer() -> None:
    """test_errors.py has every error of the SDK."""

    class Client:
        def send_chat_integration_event(self, **_: Any) -> None:
            raise ReadTimeoutError(endpoint_url="x")

    with pytest.raises(errors.AnswerLostError, match="ReadTimeoutError"):
        send(SimpleNamespace(client=Client()))  # type: ignore[arg-type]


def test_a_request_that_the_model_refuses_is_permanent(stub: Stubber) -> None:
    stub.deactivate()  # the model is checked before anything is sent
    with pytest.raises(errors.RejectedError, match="model"):
        send(stub, ChatPart("MESSAGE", ""))


def test_each_error_class_is_drawn_in_the_tree() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > 10
    assert errors.__doc__ and all(kind.__name__ in errors.__doc__ for kind in classes)


@pytest.mark.parametrize(("before", "error"), [(0, errors.ThrottledError), (8, errors.ChatLimitError)])
def test_a_conversation_that_alone_is_throttled_meets_a_full_instance(
    stub: Stubber, before: int, error: type[errors.BridgeError]
) -> None:
    """The API may answer a full instance with a 429. `before`: receives in which the text was throttled."""
    limiter = RateLimiter(rate=1000, environments=1)
    for _ in range(50):
        limiter.succeeded()
    stub.add_client_error("send_chat_integration_event", "ThrottlingException", http_status_code=429)
    request = PartRequest(
        part=ChatPart("MESSAGE", "hi"),
        number=0,
        sms=SMS,
        route=CONFIG.routes[BUSINESS_NUMBER],
        session=SESSION,
        deadline=float("inf"),
        throttled_before=before,
    )
    client: Any = stub.client
    with pytest.raises(error):
        IntegrationEvents(client=client, rate_limiter=limiter).send(request)
