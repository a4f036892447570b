"""The X-Ray trace header from function to function, through the real queues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.sandbox.texts import START_CHAT, Phones, Text, customer, until

HEADER = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=1")


@contextmanager
def waits_in_its_queue(phones: Phones, function: str) -> Iterator[None]:
    """The event source mapping of a function is disabled meanwhile, so that messages stay in its queue."""
    aws = phones.sandbox.client("lambda")
    mappings = aws.list_event_source_mappings(FunctionName=phones.outputs[function])["EventSourceMappings"]
    (uuid,) = (mapping["UUID"] for mapping in mappings)
    aws.update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        aws.update_event_source_mapping(UUID=uuid, Enabled=True)


def header(phones: Phones, queue: str, body: str) -> str:
    """AWSTraceHeader of the message that contains these words. It stays in the queue."""
    sqs, url = phones.sandbox.client("sqs"), phones.outputs[queue]

    def found() -> str | None:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageSystemAttributeNames=["AWSTraceHeader"]
        )
        fits = [message for message in answer.get("Messages", []) if body in message["Body"]]
        return str(fits[0].get("Attributes", {}).get("AWSTraceHeader", "none")) if fits else None

    said: str = until(found, seconds=40, what=f"{body!r} on {queue}")
    return said


def test_texts_and_replies_carry_the_trace_of_what_put_them_on_their_queue(phones: Phones) -> None:
    texts = [Text(customer=customer(9800 + n), body=f"traced {n}", business_number=START_CHAT) for n in range(2)]
    with waits_in_its_queue(phones, "ForwardFunctionName"):
        phones.queue(texts)
        traces = [header(phones, "ConversationsQueueUrl", text.body) for text in texts]
    for text in texts:
        until(lambda text=text: phones.outcome(text) == "forwarded", seconds=40, what="forwarded")  # type: ignore[misc]
    with waits_in_its_queue(phones, "ReplyFunctionName"):
        phones.simulator.reply(texts[0].customer, "traced reply")
        traces.append(header(phones, "RepliesQueueUrl", "traced reply"))
    until(lambda: phones.simulator.phone(texts[0].customer), seconds=40, what="the reply on the phone")
    assert all(map(HEADER.fullmatch, traces)), traces
    assert len(set(traces)) == len(traces), "each invocation has its own"
