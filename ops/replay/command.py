"""`bridge replay`: publishes the notifications of sample events and shows what became of each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.console import JsonOption, OnProgress, Output, progress
from ops.ledger import LedgerRecord, OperatorsLedger
from ops.replay.outcomes import Result, Sent, decide, undelivered_reasons
from ops.replay.samples import Sample, SampleFile, addressed, fresh_ids, publish_attributes, read
from ops.target import (
    ProfileOption,
    RegionOption,
    SandboxOption,
    StackOption,
    Target,
    TargetError,
    aws_errors,
)  # fmt: skip

SEEN_SECONDS = 30.0
"""The longest that publishing waits until earlier texts are in the ledger."""
AT_ONCE = {"sandbox": 3, "aws": 50}
"""Published notifications that are not in the ledger yet. The sandbox starts a process for each."""
SETTLED_SECONDS = 10.0
"""After this, a text that failed in an earlier replay and has not changed was not tried again."""
POLL_SECONDS = 0.25
_RECEIVES = 20  # of one look at undelivered, at most

_OUTPUTS = {"InboundTopicArn", "IntakeFunctionName", "LedgerTableName", "UndeliveredQueueUrl"}


def replay(
    target: Target,
    paths: Iterable[Path],
    *,
    to: str | None = None,
    sender: str | None = None,
    keep_ids: bool = False,
    direct: bool = False,
    timeout: float = 60,
    on_progress: OnProgress = lambda *_: None,
) -> list[Result]:
    """What became of every notification of the files, in their order; `waiting` after `timeout` seconds.

    Parameters:
        to, sender: other numbers than the files'.
        direct: the files' events go to intake unchanged, so with their ids.

    Raises SampleError or TargetError.
    """
    files = read(paths)
    if missing := _OUTPUTS - target.outputs.keys():
        raise TargetError(f"{target.where} has no output {', '.join(sorted(missing))}; deploy it again")
    if not direct:
        files = addressed(files, to=to, sender=sender)
        files = files if keep_ids else fresh_ids(files)
    with aws_errors(target):
        return _Replay(target, direct=direct, on_progress=on_progress).run(files, timeout)


class _Replay:
    def __init__(self, target: Target, *, direct: bool, on_progress: OnProgress) -> None:
        self._sns, self._lambda, self._sqs = target.client("sns"), target.client("lambda"), target.client("sqs")
        self._outputs, self._direct, self._on_progress = target.outputs, direct, on_progress
        self._ledger = OperatorsLedger(target)
        self._before: dict[str, LedgerRecord] = {}
        self._undelivered: dict[str, str] = {}
        self._unseen: set[str] = set()
        """Text keys that were sent and are not in the ledger yet."""
        self._at_once = AT_ONCE["sandbox" if target.sandbox else "aws"]

    def run(self, files: Sequence[SampleFile], timeout: float) -> list[Result]:
        samples = [sample for file in files for sample in file.samples]
        self._before = self._ledger.read(sample.parsed(sample.message_id).key for sample in samples)
        sent: list[Sent] = []
        last_of: dict[str, Sent] = {}
        for file in files:
            # one event, or one notification, at a time
            for batch in [file.samples] if self._direct else [(sample,) for sample in file.samples]:
                # SNS keeps no order: intake may queue two texts of a conversation either way round if they are
                # published at once. So the second one waits until the first is in the ledger.
                conversations = {sample.conversation or "" for sample in batch}
                self._wait_until_seen({last_of[one].text_key for one in conversations & last_of.keys()})
                sent += (new := self._send(file, batch))
                last_of |= {s.conversation: one for s, one in zip(batch, new, strict=True) if s.conversation}
                self._on_progress("publishing", len(sent), len(samples))
        return self._wait(sent, timeout)

    def _wait_until_seen(self, text_keys: set[str]) -> None:
        """Wait until these are in the ledger, and until another notification may be sent."""
        deadline = time.monotonic() + SEEN_SECONDS
        while text_keys & self._unseen or len(self._unseen) >= self._at_once:
            now = self._ledger.read(self._unseen)
            self._unseen -= {key for key, record in now.items() if record != self._before.get(key)}
            if time.monotonic() > deadline:
                self._unseen.clear()  # delayed, but queued by now: what comes next goes behind them
            time.sleep(0.05)

    def _send(self, file: SampleFile, samples: Sequence[Sample]) -> list[Sent]:
        at = time.time()
        if self._direct:
            payload = json.dumps(file.event).encode()
            name = self._outputs["IntakeFunctionName"]
            self._lambda.invoke(FunctionName=name, InvocationType="Event", Payload=payload)
            sent = [_sent(sample, sample.message_id, at) for sample in samples]
        else:
            sent = [_sent(sample, self._publish(sample), at) for sample in samples]
        forwarded = {key for key, record in self._before.items() if record.outcome == "forwarded"}
        self._unseen |= {one.text_key for one in sent} - forwarded  # duplicates of those may change nothing
        return sent

    def _publish(self, sample: Sample) -> str:
        request: dict[str, Any] = {"TopicArn": self._outputs["InboundTopicArn"], "Message": sample.message}
        if sample.subject:
            request["Subject"] = sample.subject
        if sample.attributes:
            request["MessageAttributes"] = publish_attributes(sample.attributes)
        try:
            return str(self._sns.publish(**request)["MessageId"])
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("InvalidParameter", "InvalidParameterValue"):
                raise
            raise TargetError(f"{sample.file}: SNS does not take this message; --direct hands it to intake") from error

    def _wait(self, sent: Sequence[Sent], timeout: float) -> list[Result]:
        began = time.monotonic()
        keys = {one.text_key for one in sent}
        records: dict[str, LedgerRecord] = {}
        while True:
            waited = time.monotonic() - began
            records |= self._ledger.read(keys)
            results = decide(
                sent,
                records=records,
                before=self._before,
                undelivered=self._undelivered,
                settled=waited > SETTLED_SECONDS,
                direct=self._direct,
            )
            waiting = [result for result in results if result.outcome == "waiting"]
            self._on_progress("waiting for outcomes", len(sent) - len(waiting), len(sent))
            if not waiting or waited > timeout:
                return results
            keys = {result.text_key for result in waiting}  # what has an outcome is not read again
            self._undelivered |= self._peek()
            time.sleep(POLL_SECONDS)

    def _peek(self) -> dict[str, str]:
        """Reasons by MessageId of what is in undelivered. It stays there, visible to others."""
        url, reasons = self._outputs["UndeliveredQueueUrl"], dict[str, str]()
        name = "ApproximateNumberOfMessages"
        count = int(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
        for _ in range(min(_RECEIVES, -(-count // 10) * 2)):
            answer = self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", ()):
                attributes = message.get("MessageAttributes", {})
                texts = {key: value["StringValue"] for key, value in attributes.items() if "StringValue" in value}
                reasons |= undelivered_reasons(message["Body"], texts)
        return reasons


def _sent(sample: Sample, message_id: str, at: float) -> Sent:
    return Sent(
        file=sample.file,
        inbound_message_id=sample.inbound_message_id,
        text_key=sample.parsed(message_id).key,
        message_id=message_id,
        at=at,
    )


STYLES: Mapping[str, str] = {
    "forwarded": "green",
    "ignored": "cyan",
    "duplicate": "cyan",
    "failed": "red",
    "undelivered": "red",
    "waiting": "yellow",
}


def outcomes_table(results: Iterable[Result]) -> Table:
    """At most 80 columns wide; a reason stands below its file."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("file", overflow="fold", width=39)
    table.add_column("outcome", no_wrap=True, width=11)
    table.add_column("chat", no_wrap=True, width=12)
    table.add_column("parts", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    for result in results:
        about = [Padding(Text(result.reason, style="dim"), (0, 0, 0, 2))] if result.reason else []
        contact = result.initial_contact_id or ""
        table.add_row(
            Group(Text(short_name(result.file)), *about),
            Text(result.outcome, style=STYLES[result.outcome]),
            Text(contact[:8] + (" new" if contact and result.new_chat else "")),
            "" if result.parts is None else str(result.parts),
            "" if result.ms is None else str(result.ms),
        )
    return table


def short_name(file: str) -> str:
    """The folder, which says the expected outcome, and the name."""
    path = Path(file)
    return str(Path(*path.parts[-2:]).with_suffix("")) if len(path.parts) > 1 else path.stem


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files with an SNS event as Lambda receives it, or folders of them."),
    ],
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    to: Annotated[
        str | None, typer.Option("--to", metavar="NUMBER", help="Text this number of yours, whatever the files say.")
    ] = None,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="Text as this customer, whatever the files say.")
    ] = None,
    keep_ids: Annotated[bool, typer.Option("--keep-ids", help="Keep the files' inboundMessageIds.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Hand the files' events, unchanged, to intake instead of publishing.")
    ] = False,
    as_json: JsonOption = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the outcomes.", min=0)] = 60,
) -> None:
    """Publish the notifications of sample events, and show what became of each.

    Exit code 1 when one has no outcome yet. Every replay is a new text, unless --keep-ids or --direct.
    """
    if direct and (to or sender):
        raise typer.BadParameter("--direct hands files over unchanged; leave out --to and --from")
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    with progress() as on_progress:
        results = replay(
            target,
            paths,
            to=to,
            sender=sender,
            keep_ids=keep_ids,
            direct=direct,
            timeout=timeout,
            on_progress=on_progress,
        )
    if as_json:
        Output(as_json=True).rows((), [result.row() for result in results])
    else:
        Console(highlight=False).print(outcomes_table(results))
    if any(result.outcome == "waiting" for result in results):
        raise typer.Exit(1)
