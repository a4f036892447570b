"""The bridge as a sample shows it: one function behind the topic, that passes on what comes."""

import json
import logging
from typing import Any

import boto3

logger = logging.getLogger()
connect = boto3.client("connect")

NUMBERS = {
    "+12125550101": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef",
    "+12125550102": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210fedcba9876543210",
}


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    for record in event["Records"]:
        sms = json.loads(record["Sns"]["Message"])
        response = connect.send_chat_integration_event(
            SourceId=sms["originationNumber"],
            DestinationId=NUMBERS[sms["destinationNumber"]],
            Subtype="connect:sms",
            Event={"Type": "MESSAGE", "ContentType": "text/plain", "Content": sms["messageBody"]},
            NewSessionDetails={
                "SupportedMessagingContentTypes": ["text/plain"],
                "ParticipantDetails": {"DisplayName": sms["originationNumber"]},
            },
        )
        logger.info("contact %s", response.get("InitialContactId"))
    return {"statusCode": 200}
