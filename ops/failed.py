"""`bridge failed redrive`: puts what is in failed back on its conversations, to be tried again."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import typer
from rich.console import Console

from ops.target import SandboxOption, StackOption, Target, aws_errors

app = typer.Typer(no_args_is_help=True, help="What is in the failed queue.")

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
    fails again while this runs stays in failed: it came after the clock that AWS showed at the first receive.
    """
    with aws_errors(target):
        return _redrive(target)


def _redrive(target: Target) -> int:
    sqs = target.client("sqs")
    failed, conversations = target.outputs["FailedQueueUrl"], target.outputs["ConversationsQueueUrl"]
    started: float | None = None
    count, failed_again = 0, []
    while True:
        answer = _receive(sqs, failed)
        started = started or _time(answer)
        if not answer.get("Messages"):
            break
        for message in answer["Messages"]:
            if int(message["Attributes"]["SentTimestamp"]) / 1000 > started:
                failed_again.append(message["ReceiptHandle"])
                continue
            sqs.send_message(
                QueueUrl=conversations,
                MessageBody=message["Body"],
                MessageGroupId=message["Attributes"]["MessageGroupId"],
                MessageDeduplicationId=message["MessageId"],
            )
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
            count += 1
    for receipt in failed_again:  # hidden until now, so that each was seen once
        sqs.change_message_visibility(QueueUrl=failed, ReceiptHandle=receipt, VisibilityTimeout=0)
    return count


def _receive(sqs: Any, url: str) -> Any:
    return sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["SentTimestamp", "MessageGroupId"],
    )


def _time(answer: Any) -> float:
    """The end of the second that AWS's clock shows; this machine's may differ."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp() + 1


@app.command("redrive")
def command(
    stack: StackOption = None,
    sandbox: SandboxOption = "default",
) -> None:
    """Put every entry of failed back on its conversation. Parts that were shown are not shown again."""
    target = Target.choose(stack=stack, sandbox=sandbox)
    count = redrive(target)
    said = f"{count} {'entry' if count == 1 else 'entries'} put back on their conversations"
    Console(highlight=False).print(said if count else "nothing in failed to put back")
