"""The bridge as a careful sample shows it: one function behind the topic, with Powertools around it."""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.parser import BaseModel, envelopes, event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
tracer = Tracer()
connect = boto3.client("connect")
idempotency = IdempotencyConfig(event_key_jmespath="inboundMessageId", expires_after_seconds=24 * 3600)
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"])

NUMBERS = {
    "+12125550101": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef0123456789abcdef",
    "+12125550102": "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-fedcba9876543210fedcba9876543210",
}


class InboundSms(BaseModel):
    originationNumber: str  # noqa: N815 (the payload's own names, here and below)
    destinationNumber: str  # noqa: N815
    messageKeyword: str | None = None  # noqa: N815
    messageBody: str  # noqa: N815
    inboundMessageId: str  # noqa: N815
    previousPublishedMessageId: str | None = None  # noqa: N815


@tracer.capture_method(capture_response=False)
@idempotent_function(  # type: ignore[untyped-decorator]
    data_keyword_argument="sms", config=idempotency, persistence_store=persistence
)
def forward(*, sms: InboundSms) -> dict[str, Any]:
    response = connect.send_chat_integration_event(
        SourceId=sms.originationNumber,
        DestinationId=NUMBERS[sms.destinationNumber],
        Subtype="connect:sms",
        Event={"Type": "MESSAGE", "ContentType": "text/plain", "Content": sms.messageBody},
        NewSessionDetails={
            "SupportedMessagingContentTypes": ["text/plain"],
            "ParticipantDetails": {"DisplayName": sms.originationNumber},
            "Attributes": {"inboundMessageId": sms.inboundMessageId},
        },
    )
    return {"contact": response.get("InitialContactId"), "new": response.get("NewChatCreated")}


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=InboundSms, envelope=envelopes.SnsEnvelope)
def handler(event: list[InboundSms], context: LambdaContext) -> dict[str, Any]:
    idempotency.register_lambda_context(context)
    for sms in event:
        forwarded = forward(sms=sms)
        logger.info("forwarded", extra=forwarded)
        metrics.add_metric(name="TextsForwarded", unit=MetricUnit.Count, value=1)
    return {"statusCode": 200}
