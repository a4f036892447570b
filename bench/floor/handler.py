"""The floor: a signed HTTPS request with the standard library, and nothing else. Nobody runs this; nothing is quicker.

Source: "Create a signed AWS API request" in the IAM user guide.
"""

import hashlib
import hmac
import json
import os
import ssl
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

REGION = os.environ["AWS_REGION"]
ENDPOINT = urlsplit(os.environ.get("AWS_ENDPOINT_URL_CONNECT", f"https://connect.{REGION}.amazonaws.com"))
PATH = "/chat-integration-event"
NUMBERS = {
    "+12125550101": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef",
    "+12125550102": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210fedcba9876543210",
}


def _connection() -> HTTPConnection:
    port = ENDPOINT.port
    if ENDPOINT.scheme == "http":
        return HTTPConnection(str(ENDPOINT.hostname), port, timeout=5)
    context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return HTTPSConnection(str(ENDPOINT.hostname), port, timeout=5, context=context)


connection = _connection()


def _signed(body: bytes) -> dict[str, str]:
    now = datetime.now(UTC)
    stamp, day = f"{now:%Y%m%dT%H%M%SZ}", f"{now:%Y%m%d}"
    headers = {"content-type": "application/json", "host": ENDPOINT.netloc, "x-amz-date": stamp}
    if token := os.environ.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n{PATH}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{REGION}/connect/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (day, REGION, "connect", "aws4_request", to_sign):
        signature = hmac.new(key, part.encode(), hashlib.sha256)
        key = signature.digest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature.hexdigest()}"
    )
    return headers


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    for record in event["Records"]:
        sms = json.loads(record["Sns"]["Message"])
        body = json.dumps(
            {
                "SourceId": sms["originationNumber"],
                "DestinationId": NUMBERS[sms["destinationNumber"]],
                "Subtype": "connect:sms",
                "Event": {"Type": "MESSAGE", "ContentType": "text/plain", "Content": sms["messageBody"]},
                "NewSessionDetails": {
                    "SupportedMessagingContentTypes": ["text/plain"],
                    "ParticipantDetails": {"DisplayName": sms["originationNumber"]},
                },
            }
        ).encode()
        connection.request("POST", PATH, body, _signed(body))
        answer = connection.getresponse()
        response = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"Connect answered {answer.status}")
        json.loads(response)
    return {"statusCode": 200}
