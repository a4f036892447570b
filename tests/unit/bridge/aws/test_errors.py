"""Errors of the SDK without a response: was the request sent?"""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from bridge.aws.errors import no_answer
from bridge.errors import AnswerLostError, UnavailableError, error_of

URL = "https://example.com"


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        HTTPClientError(error=OSError("reset")),
        SSLError(endpoint_url=URL, error=OSError("reset")),
        ResponseParserError("no XML"),
    ],
)
def test_the_answer_to_a_request_that_may_have_been_sent_is_lost(error: Exception) -> None:
    assert type(no_answer(error, "Connect")) is AnswerLostError


@pytest.mark.parametrize(
    "error",
    [ConnectTimeoutError(endpoint_url=URL), EndpointConnectionError(endpoint_url=URL), NoCredentialsError()],
)
def test_only_a_request_that_may_have_been_sent_has_a_lost_answer(error: Exception) -> None:
    assert type(no_answer(error, "Connect")) is UnavailableError


def test_a_lost_answer_has_the_code_of_an_unavailable_service() -> None:
    lost = AnswerLostError("no answer")
    assert lost.code == "UnavailableError"
    assert type(error_of(lost.code, str(lost))) is UnavailableError
