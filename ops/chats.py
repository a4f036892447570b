"""`bridge sandbox text|reply|transfer|end|chats`: the phone and the agent, played by hand."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.target import Target, TargetError, aws_errors
from sandbox.simulator.client import Simulator

NameOption = Annotated[str, typer.Option("--name", help="Which sandbox.")]
ChatArgument = Annotated[
    str, typer.Argument(metavar="CHAT", help="Contact id, its unambiguous beginning, or the customer's number.")
]
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_ID = 8  # characters of a contact id that are shown


def register(app: typer.Typer) -> None:
    for name, command in (("text", text), ("reply", reply), ("transfer", transfer), ("end", end), ("chats", chats)):
        app.command(name)(command)


def text(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The customer's number, such as +14255550182.")],
    body: Annotated[str, typer.Argument(metavar="TEXT")],
    to: Annotated[str | None, typer.Option("--to", help="Which of our numbers.", show_default="the first")] = None,
    name: NameOption = "default",
) -> None:
    """A customer texts one of our numbers: what EUM would publish to the inbound topic."""
    for given in filter(None, (number, to)):
        if not E164.fullmatch(given):
            raise TargetError(f"{given} is no number such as +14255550182")
    target = Target.in_sandbox(name)
    with _double(target) as double:
        ours = [known["number"] for known in double.numbers()]
    if to and to not in ours:
        raise TargetError(f"{to} is none of our numbers: {', '.join(ours)}")
    to = to or ours[0]
    message = inbound(number, to, body)
    with aws_errors(target):
        target.client("sns").publish(TopicArn=target.outputs["InboundTopicArn"], Message=message)
    _print(f"{number} -> {to}")


def reply(
    chat: ChatArgument, body: Annotated[str, typer.Argument(metavar="TEXT")], name: NameOption = "default"
) -> None:
    """The agent writes in a chat."""
    with _double(Target.in_sandbox(name)) as double:
        done = double.reply(chat, body)
    _print(f"chat {done['contact'][:_ID]}: the agent replied to {done['source'] or 'the customer'}")


def transfer(chat: ChatArgument, name: NameOption = "default") -> None:
    """The agent hands a chat to another: it gets a new ContactId and keeps its InitialContactId."""
    with _double(Target.in_sandbox(name)) as double:
        done = double.transfer(chat)
    _print(f"chat {done['contact'][:_ID]}: transferred, now contact {done['contact_id'][:_ID]}")


def end(chat: ChatArgument, name: NameOption = "default") -> None:
    """The agent ends a chat."""
    with _double(Target.in_sandbox(name)) as double:
        done = double.end(chat)
    _print(f"chat {done['contact'][:_ID]}: ended")


def chats(name: NameOption = "default") -> None:
    """Show each chat and what was said last in it."""
    target = Target.in_sandbox(name)
    with _double(target) as double:
        found, ours = double.chats(), {known["arn"]: known["number"] for known in double.numbers()}
    console = Console(highlight=False)
    if not found:
        console.print("no chats yet; start one with: bridge sandbox text +14255550182 hello")
        return
    console.print(chats_table(found, ours))


def chats_table(found: list[dict[str, Any]], ours: Mapping[str, str]) -> Table:
    """Fits a terminal of 80 columns; `ours` are our numbers by ARN."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("chat", no_wrap=True, width=_ID)
    table.add_column("customer", no_wrap=True, width=13)
    table.add_column("to", no_wrap=True, width=13)
    table.add_column("state", no_wrap=True, width=7)
    table.add_column("n", justify="right", no_wrap=True, width=3)
    table.add_column("last", no_wrap=True, overflow="ellipsis", max_width=28)
    for chat in found:
        state = "ended" if chat["ended"] else "active" if chat["connected"] else "waiting"
        said = chat["messages"]
        to = ours.get(chat["destination"] or "", chat["destination"] or "?")
        table.add_row(
            chat["contact"][:_ID],
            Text(chat["source"] or chat["display_name"] or "?"),
            Text(to),
            Text(state, style="dim" if chat["ended"] else "green"),
            str(len(said)),
            _last(said[-1]) if said else Text(""),
        )
    return table


def inbound(customer: str, ours: str, body: str) -> str:
    """One SMS as EUM publishes it, with an id of its own."""
    return json.dumps(
        {
            "originationNumber": customer,
            "destinationNumber": ours,
            "messageKeyword": "KEYWORD_111122223333",
            "messageBody": body,
            "inboundMessageId": str(uuid.uuid4()),
            "previousPublishedMessageId": None,
        }
    )


def _last(message: Mapping[str, Any]) -> Text:
    who = "" if message["role"] == "CUSTOMER" else f"{str(message['role']).lower()}: "
    at = time.strftime("%H:%M", time.localtime(message["at"]))
    return Text(f"{at} {who}{' '.join(str(message['content']).split())}")


@contextmanager
def _double(target: Target) -> Iterator[Simulator]:
    """Its controls; what they do not take, and a double that is gone, as a TargetError of one line."""
    if target.sandbox is None:
        raise TargetError("only a sandbox can be played by hand")
    with target.sandbox.simulator() as double:
        try:
            yield double
        except ValueError as exc:
            raise TargetError(f"{exc}; see: bridge sandbox chats") from exc
        except httpx.HTTPError as exc:
            raise TargetError(f"the contact centre of {target.where} does not answer") from exc


def _print(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line, markup=False)
