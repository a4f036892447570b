"""The adapter of End User Messaging: requests as the API documents them, errors as classes of the bridge."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from bridge import errors
from bridge.aws import clients
from bridge.aws.sms import SmsClient
from bridge.replies.delivery import NOT_DELIVERABLE
from testing.builders import ARN, CUSTOMER


@pytest.fixture
def stub() -> Stubber:
    client: Any = boto3.client(
        "pinpoint-sms-voice-v2", region_name="us-east-1", aws_access_key_id="111122223333", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return stubber


def send(stub: Stubber, body: str = "hi") -> None:
    client: Any = stub.client
    SmsClient(client=client).send(body, to=CUSTOMER, origin=ARN)


def refuse(stub: Stubber, code: str, reason: str | None = None, *, status: int = 400, message: str = "no") -> None:
    stub.add_client_error(
        "send_text_message",
        code,
        message,
        http_status_code=status,
        response_meta={"RequestId": "request-1"},
        modeled_fields={"Reason": reason} if reason else None,
    )


def test_a_text_is_sent_from_the_business_number_as_the_api_documents_it(stub: Stubber) -> None:
    stub.add_response(
        "send_text_message",
        {"MessageId": "message-1"},
        {
            "DestinationPhoneNumber": CUSTOMER,
            "OriginationIdentity": ARN,
            "MessageBody": "hi",
            "MessageType": "TRANSACTIONAL",
        },
    )
    send(stub)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        ("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
        ("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"),
        ("ConflictException", "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE"),
        ("ValidationException", "DESTINATION_COUNTRY_BLOCKED"),
        ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
    ],
)
def test_a_phone_that_cannot_be_texted_is_permanent_with_that_reason(stub: Stubber, code: str, reason: str) -> None:
    refuse(stub, code, reason)
    with pytest.raises(errors.NotDeliverableError) as caught:
        send(stub)
    assert caught.value.reason == reason
    assert str(caught.value) == f"End User Messaging answered {code} {reason} (400), request request-1"
    assert isinstance(caught.value, errors.PermanentError)


@pytest.mark.parametrize(
    ("code", "reason", "status", "expected"),
    [
        ("ValidationException", "FIELD_VALIDATION_FAILED", 400, errors.RejectedError),
        ("ValidationException", None, 400, errors.RejectedError),
        ("ThrottlingException", None, 400, errors.ThrottledError),
        ("SomethingNew", None, 429, errors.ThrottledError),
        ("InternalServerException", None, 500, errors.UnavailableError),
        ("SomethingNew", None, 503, errors.UnavailableError),
        ("AccessDeniedException", "ACCOUNT_DISABLED", 400, errors.AccessRefusedError),
        ("AccessDeniedException", None, 400, errors.AccessRefusedError),
        ("ResourceNotFoundException", None, 400, errors.NotFoundError),
        ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", 400, errors.AccessRefusedError),
        ("ConflictException", "RESOURCE_NOT_ACTIVE", 400, errors.AccessRefusedError),
        ("ServiceQuotaExceededException", "DAILY_DESTINATION_CALL_LIMIT", 400, errors.AccessRefusedError),
        ("SomethingNew", None, 400, errors.AccessRefusedError),
    ],
)
def test_an_answer_is_translated_by_code_reason_and_status(
    stub: Stubber, code: str, reason: str | None, status: int, expected: type[Exception]
) -> None:
    refuse(stub, code, reason, status=status)
    with pytest.raises(errors.BridgeError) as caught:
        send(stub)
    assert type(caught.value) is expected
    assert code in str(caught.value)


def test_an_error_message_of_the_service_is_neither_used_nor_passed_on(stub: Stubber) -> None:
    refuse(
        stub,
        "ValidationException",
        f"not a word of the API: {CUSTOMER}",
        message=f"DESTINATION_PHONE_NUMBER_OPTED_OUT: {CUSTOMER} 'my PIN is 4711'",
    )
    with pytest.raises(errors.RejectedError) as caught:
        send(stub)
    assert str(caught.value) == "End User Messaging answered ValidationException (400), request request-1"


def test_a_missing_response_is_a_lost_answer() -> None:
    """test_errors.py has every error of the SDK."""

    class Client:
        def send_text_message(self, **_: Any) -> None:
            raise ReadTimeoutError(endpoint_url="x")

    with pytest.raises(errors.AnswerLostError, match="ReadTimeoutError"):
        SmsClient(client=Client()).send("hi", to=CUSTOMER, origin=ARN)


def test_a_request_that_the_model_refuses_is_permanent(stub: Stubber) -> None:
    stub.deactivate()  # the model is checked before anything is sent
    with pytest.raises(errors.RejectedError, match="model"):
        send(stub, "")


def test_the_reasons_are_words_of_the_apis_own_model(stub: Stubber) -> None:
    shapes: Any = stub.client.meta.service_model.operation_model("SendTextMessage").error_shapes
    reasons = [shape.members["Reason"].enum for shape in shapes if "Reason" in shape.members]
    documented = {reason for enum in reasons for reason in enum}
    assert documented >= NOT_DELIVERABLE.keys()


def test_sms_is_called_once_with_the_configured_read_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "111122223333",
        "SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    config = clients.sms(read_timeout=4).meta.config
    assert (config.retries["total_max_attempts"], config.read_timeout) == (1, 4)
