"""`bridge failed redrive`: puts what is in failed back on its conversations, to be tried again."""

from __future__ import annotations

import time
from typing import Any

import typer
from rich.console import Console

from ops.target import SandboxOption, StackOption, Target

app = typer.Typer(no_args_is_help=True, help="What is in the failed queue.")


@app.callback()
def _failed() -> None:
    """Keeps `redrive` a command of its own."""


def redrive(target: Target) -> int:
    """How many entries of failed were put back, each behind the others of its conversation.

    An entry is deleted from failed once the conversations queue has it; killed in between, it is put back a second
    time, which SQS drops within five minutes and the ledger suppresses after that. Its deduplication id is the failed
    entry's own message id: with the text key, SQS would drop a text that failed within the last five minutes. What
    fails again while this runs stays where it is.
    """
    sqs = target.client("sqs")
    failed, conversations = target.outputs["FailedQueueUrl"], target.outputs["ConversationsQueueUrl"]
    started, count = time.time(), 0
    while messages := _receive(sqs, failed):
        old = [message for message in messages if int(message["Attributes"]["SentTimestamp"]) / 1000 <= started]
        for message in old:
            sqs.send_message(
                QueueUrl=conversations,
                MessageBody=message["Body"],
                MessageGroupId=message["Attributes"]["MessageGroupId"],
                MessageDeduplicationId=message["MessageId"],
            )
            sqs.delete_message(QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"])
            count += 1
        for message in messages:
            if message not in old:
                sqs.change_message_visibility(
                    QueueUrl=failed, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
        if not old:
            break
    return count


def _receive(sqs: Any, url: str) -> list[Any]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["SentTimestamp", "MessageGroupId"],
    )
    return list(answer.get("Messages", []))


@app.command("redrive")
def command(
    stack: StackOption = None,
    sandbox: SandboxOption = "default",
) -> None:
    """Put every entry of failed back on its conversation. Parts that were shown are not shown again."""
    target = Target.choose(stack=stack, sandbox=sandbox)
    count = redrive(target)
    said = f"{count} {'entry' if count == 1 else 'entries'} put back on their conversations"
    Console(highlight=False).print(said if count else "failed is empty")
