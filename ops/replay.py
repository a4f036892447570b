"""`bridge replay`: publishes the notifications of sample events and says what became of each."""

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

from ops.outcomes import Entry, Result, Sent, decide, undelivered_reasons
from ops.output import JsonOption
from ops.progress import OnProgress, progress
from ops.samples import Sample, SampleFile, addressed, fresh_ids, publish_attributes, read
from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, TargetError, aws_errors

SEEN_SECONDS = 30.0
"""The longest that publishing waits for what was published before to be worked on."""
AT_ONCE = {"sandbox": 3, "aws": 50}
"""Notifications on their way at once. A laptop starts a process for each: more would be slower there."""
SETTLED_SECONDS = 10.0
"""After this, a text that failed in an earlier replay and is still as it was has not been tried again."""
POLL_SECONDS = 0.25
_KEYS = 100  # of one BatchGetItem
_PEEKS = 20  # ReceiveMessage calls in one look at undelivered

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

    to, sender: other numbers than the files'.
    direct: the files' events go to intake unchanged, so with their ids. Raises SampleError or TargetError.
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
        self._sns, self._lambda = target.client("sns"), target.client("lambda")
        self._dynamodb, self._sqs = target.client("dynamodb"), target.client("sqs")
        self._outputs, self._direct, self._on_progress = target.outputs, direct, on_progress
        self._before: dict[str, Entry] = {}
        self._undelivered: dict[str, str] = {}
        self._unseen: set[str] = set()
        self._at_once = AT_ONCE["sandbox" if target.sandbox else "aws"]

    def run(self, files: Sequence[SampleFile], timeout: float) -> list[Result]:
        samples = [sample for file in files for sample in file.samples]
        self._before = self._ledger({sample.parsed(sample.message_id).key for sample in samples})
        sent: list[Sent] = []
        last_of: dict[str, Sent] = {}
        for file in files:
            # one event, or one notification, at a time
            for batch in [file.samples] if self._direct else [(sample,) for sample in file.samples]:
                # SNS keeps no order: two texts of a conversation, published at once, may be queued either way round,
                # most of all while intake starts up. So its next text waits until this one has been worked on.
                conversations = {sample.conversation or "" for sample in batch}
                self._until_seen({last_of[one].text_key for one in conversations & last_of.keys()})
                sent += (new := self._hand_over(file, batch))
                last_of |= {s.conversation: one for s, one in zip(batch, new, strict=True) if s.conversation}
                self._on_progress("publishing", len(sent), len(samples))
        return self._wait(sent, timeout)

    def _until_seen(self, text_keys: set[str]) -> None:
        """Waits until these are in the ledger, and until there is room for another notification on its way."""
        deadline = time.monotonic() + SEEN_SECONDS
        while text_keys & self._unseen or len(self._unseen) >= self._at_once:
            now = self._ledger(self._unseen)
            self._unseen -= {key for key, entry in now.items() if entry != self._before.get(key)}
            if time.monotonic() > deadline:
                self._unseen.clear()  # held up, but queued by now: what comes next goes behind them
            time.sleep(0.05)

    def _hand_over(self, file: SampleFile, samples: Sequence[Sample]) -> list[Sent]:
        sent = self._handed_over(file, samples)
        known = {key for key, entry in self._before.items() if entry.outcome == "forwarded"}
        self._unseen |= {one.text_key for one in sent} - known  # duplicates change nothing in the ledger
        return sent

    def _handed_over(self, file: SampleFile, samples: Sequence[Sample]) -> list[Sent]:
        at = time.time()
        if self._direct:
            self._lambda.invoke(
                FunctionName=self._outputs["IntakeFunctionName"],
                InvocationType="Event",
                Payload=json.dumps(file.event).encode(),
            )
            return [_sent(sample, sample.message_id, at) for sample in samples]
        return [_sent(sample, self._publish(sample), at) for sample in samples]

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
        entries: dict[str, Entry] = {}
        while True:
            waited = time.monotonic() - began
            entries |= self._ledger(keys)
            results = decide(
                sent,
                entries=entries,
                before=self._before,
                undelivered=self._undelivered,
                settled=waited > SETTLED_SECONDS,
                direct=self._direct,
            )
            pending = {result.text_key for result in results if result.outcome == "waiting"}
            self._on_progress(
                "waiting for outcomes", len(sent) - sum(r.outcome == "waiting" for r in results), len(sent)
            )
            if not pending or waited > timeout:
                return results
            keys = pending  # what has an outcome is not read again
            self._undelivered |= self._peek()
            time.sleep(POLL_SECONDS)

    def _ledger(self, keys: Iterable[str]) -> dict[str, Entry]:
        table, found = self._outputs["LedgerTableName"], dict[str, Entry]()
        left = [{"text_key": {"S": key}} for key in sorted(keys)]
        while left:
            batch, left = left[:_KEYS], left[_KEYS:]
            answer = self._dynamodb.batch_get_item(RequestItems={table: {"Keys": batch, "ConsistentRead": True}})
            found |= {item["text_key"]["S"]: Entry.from_item(item) for item in answer["Responses"].get(table, ())}
            if skipped := answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", []):
                left += skipped
                time.sleep(POLL_SECONDS)
        return found

    def _peek(self) -> dict[str, str]:
        """Reasons by MessageId of what is in undelivered; it stays there, and visible to others."""
        url, reasons = self._outputs["UndeliveredQueueUrl"], dict[str, str]()
        name = "ApproximateNumberOfMessages"
        count = int(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])
        for _ in range(min(_PEEKS, -(-count // 10) * 2)):
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
    """Fits a terminal of 80 columns; a reason stands below the file that it is about."""
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
    """The folder and the name: what promises the outcome."""
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
    console = Console(highlight=False)
    if as_json:
        for result in results:
            typer.echo(result.as_json())
    else:
        console.print(outcomes_table(results))
    if any(result.outcome == "waiting" for result in results):
        raise typer.Exit(1)
