"""`bridge failed redrive`: puts what is in failed back on its conversations, to be tried again."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console

from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, aws_errors

app = typer.Typer(no_args_is_help=True, help="What is in the failed queue.")

_HOME = {"reply": "RepliesQueueUrl", "reply-intake": "RepliesQueueUrl"}
"""The queue that an entry came from, where that is not conversations, by the stage that gave it up."""
HIDDEN = 300
"""Seconds for which an entry is hidden while it is put back."""


@app.callback()
def _failed() -> None:
    """Keeps `redrive` a command of its own."""


def redrive(target: Target) -> int:
    """How many entries of failed were put back, each behind the others of its conversation. Raises TargetError.

    An entry is deleted from failed once the conversations queue has it; killed in between, it is put back a second
    time, which SQS drops within five minutes and the ledger suppresses after that. Its deduplication id is the failed
    entry's own message id: with the text key, SQS would drop a text that failed within the last five minutes. What
    fails again while this runs stays in failed: forward says of which entry it came, and SQS keeps the id of what it
    moves there itself.
    """
    with aws_errors(target):
        return _redrive(target)


def _redrive(target: Target) -> int:
    sqs = target.client("sqs")
    failed = target.outputs["FailedQueueUrl"]
    put_back: set[str] = set()
    failed_again = []
    while messages := _receive(sqs, failed):
        for message in messages:
            if {message["MessageId"], _said(message, "entry_id")} & put_back:
                failed_again.append(message["ReceiptHandle"])
                continue
            answer = sqs.send_message(
                QueueUrl=target.outputs[_HOME.get(_said(message, "stage"), "ConversationsQueueUrl")],
                MessageBody=message["Body"],
                MessageGroupId=message["Attributes"]["MessageGroupId"],
                MessageDeduplicationId=message["MessageId"],
            )
            put_back.add(answer["MessageId"])
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
    for receipt in failed_again:  # hidden until now, so that each was seen once
        sqs.change_message_visibility(QueueUrl=failed, ReceiptHandle=receipt, VisibilityTimeout=0)
    return len(put_back)


def _receive(sqs: Any, url: str) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["MessageGroupId"],
        MessageAttributeNames=["entry_id", "stage"],
    )
    return list(answer.get("Messages", []))


def _said(message: Any, name: str) -> str:
    """What the bridge said of an entry; nothing where SQS itself moved it."""
    attribute = message.get("MessageAttributes", {}).get(name)
    return str(attribute["StringValue"]) if attribute else ""


@app.command("redrive")
def command(
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
) -> None:
    """Put every entry of failed back on its queue. Parts that were shown are not shown again."""
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    count = redrive(target)
    said = f"{count} {'entry' if count == 1 else 'entries'} put back on their queues"
    Console(highlight=False).print(said if count else "nothing in failed to put back")
