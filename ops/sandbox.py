"""`bridge sandbox`: start and stop the whole bridge on this machine, and play the phone and the agent in it by hand."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Table
from rich.text import Text

from infra.config import load
from ops.replay.samples import SAMPLES_TEXT
from ops.target import Target, TargetError, aws_errors
from sandbox.lifecycle import PORT, SIMULATOR_PORT, Sandbox, take_down
from sandbox.simulator.client import Simulator
from sandbox.state import LOCAL_AWS, ROOT, SIMULATOR, names

app = typer.Typer(no_args_is_help=True, help="The whole bridge on this machine: local AWS, contact centre, deploy.")

NameOption = Annotated[str, typer.Option("--name", help="Several sandboxes can be up, each on ports of its own.")]
WhichOption = Annotated[str, typer.Option("--name", help="Which sandbox.")]
ChatArgument = Annotated[
    str, typer.Argument(metavar="CHAT", help="Contact id, its unambiguous beginning, or the customer's number.")
]
E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_ID = 8  # characters of a contact id that are shown


class Seconds(ProgressColumn):
    """How long a step has taken so far, or took."""

    def render(self, task: Task) -> Text:
        return Text(_seconds(task))


class Steps:
    """Shows each step and its duration: live on a terminal, else one line when it is done."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            Seconds(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=8,
        )

    def __call__(self, text: str) -> None:
        self._done()
        self._live.add_task(text, total=1)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._done()
        self._live.__exit__(kind, value, trace)

    def _done(self) -> None:
        for task in self._live.tasks:
            if not task.finished:
                self._live.update(task.id, completed=1)
                if self._live.disable:
                    self._console.print(f"{_seconds(task)}  {task.description}", markup=False)


def _seconds(task: Task) -> str:
    return f"{task.elapsed or 0:5.1f} s"


@app.command()
def up(
    name: NameOption = "default",
    port: Annotated[int, typer.Option(help="Port of the local AWS; 0: any free one.", min=0, max=65535)] = PORT,
    simulator_port: Annotated[
        int, typer.Option("--double-port", help="Port of the contact centre; 0: any free one.", min=0, max=65535)
    ] = SIMULATOR_PORT,
    config: Annotated[Path, typer.Option(help="Another bridge.toml.")] = ROOT / "bridge.toml",
) -> None:
    """Start the sandbox and deploy to it; deploy again when it is up."""
    console = Console(highlight=False)
    began = time.monotonic()
    with Steps(console) as steps:
        sandbox = Sandbox.up(name, port, simulator_port, config=config, on_step=steps)
    console.print(f"[bold]sandbox {name} is up[/] ({time.monotonic() - began:.0f} s)")
    _show(console, sandbox)
    named = name != "default"
    options = f"{_to_option(config)}{f' --sandbox {name}' if named else ''}"
    console.print(f"replay texts: bridge replay events/{options}", soft_wrap=True)
    console.print(f"stop it:      bridge sandbox down{f' --name {name}' if named else ''}", soft_wrap=True)


@app.command()
def down(name: NameOption = "default") -> None:
    """Stop the sandbox: its processes and no others. What it held is gone."""
    console = Console(highlight=False)
    console.print(f"sandbox {name} is stopped" if take_down(name) else f"sandbox {name} was not up")


@app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", help="Only this one.", show_default="all")] = None,
) -> None:
    """Show which sandboxes are up. Exit code 1 when none is, or one is broken."""
    console = Console(highlight=False)
    found = [sandbox for each in ([name] if name else names()) if (sandbox := Sandbox.load(each))]
    if not found:
        console.print(f"no sandbox {name} is up" if name else "no sandbox is up")
        raise typer.Exit(1)
    broken = False
    for sandbox in found:
        healthy = all(process.running for process in sandbox.processes.values()) and bool(sandbox.outputs)
        broken = broken or not healthy
        state = "[green]up[/]" if healthy else "[red]broken[/] (start it again with: bridge sandbox up)"
        console.print(f"[bold]sandbox {sandbox.name}[/]: {state}")
        _show(console, sandbox)
    if broken:
        raise typer.Exit(1)


def _to_option(config: Path) -> str:
    """The option with which events/ text a number of this configuration; empty if they do so anyway."""
    numbers = [number.number for number in load(config).numbers]
    return "" if SAMPLES_TEXT in numbers else f" --to {numbers[0]}"


def _show(console: Console, sandbox: Sandbox) -> None:
    rows = {
        "local AWS": f"{sandbox.endpoint_url}{_not_running(sandbox, LOCAL_AWS)}",
        "contact centre": f"{sandbox.simulator_url}{_not_running(sandbox, SIMULATOR)}{_state(sandbox)}",
    }
    if sandbox.stack:
        rows["stack"] = f"{sandbox.stack}, from {_short(Path(sandbox.config))}"
        rows["topic"] = sandbox.outputs.get("InboundTopicArn", "")
    rows["logs"] = _short(sandbox.folder / "logs")
    for name, value in rows.items():
        # not wrapped here: an ARN that is broken into two lines cannot be copied
        console.print(f"  [dim]{name:14}[/]  {escape(value)}", soft_wrap=True)


def _not_running(sandbox: Sandbox, role: str) -> str:
    process = sandbox.processes.get(role)
    return "" if process and process.running else " (not running)"


def _state(sandbox: Sandbox) -> str:
    try:
        with sandbox.simulator() as simulator:
            status = simulator.status()
    except httpx.HTTPError:
        return ""
    faults = ", ".join(fault["fault"] for fault in status["faults"])
    return f" ({status['accepted']} calls taken, {status['chats']} active chats{faults and f', faults: {faults}'})"


def _short(path: Path) -> str:
    """Relative to the current folder if it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


# --- the phone and the agent, played by hand ----------------------------------------------------------------------


@app.command()
def text(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The customer's number, such as +14255550182.")],
    body: Annotated[str, typer.Argument(metavar="TEXT")],
    to: Annotated[str | None, typer.Option("--to", help="Which of our numbers.", show_default="the first")] = None,
    name: WhichOption = "default",
) -> None:
    """A customer texts one of our numbers: what EUM would publish to the inbound topic."""
    for given in filter(None, (number, to)):
        if not E164.fullmatch(given):
            raise TargetError(f"{given} is no number such as +14255550182")
    target = Target.in_sandbox(name)
    with contact_centre(target) as simulator:
        numbers = [known["number"] for known in simulator.numbers()]
    if to and to not in numbers:
        raise TargetError(f"{to} is none of our numbers: {', '.join(numbers)}")
    to = to or numbers[0]
    publish_text(target, number, to, body)
    _print(f"{number} -> {to}")


@app.command()
def reply(
    chat: ChatArgument, body: Annotated[str, typer.Argument(metavar="TEXT")], name: WhichOption = "default"
) -> None:
    """The agent writes in a chat."""
    with contact_centre(Target.in_sandbox(name)) as simulator:
        done = simulator.reply(chat, body)
    _print(f"chat {done['contact'][:_ID]}: the agent replied to {done['source'] or 'the customer'}")


@app.command()
def transfer(chat: ChatArgument, name: WhichOption = "default") -> None:
    """The agent hands a chat to another: it gets a new ContactId and keeps its InitialContactId."""
    with contact_centre(Target.in_sandbox(name)) as simulator:
        done = simulator.transfer(chat)
    _print(f"chat {done['contact'][:_ID]}: transferred, now contact {done['contact_id'][:_ID]}")


@app.command()
def end(chat: ChatArgument, name: WhichOption = "default") -> None:
    """The agent ends a chat."""
    with contact_centre(Target.in_sandbox(name)) as simulator:
        done = simulator.end(chat)
    _print(f"chat {done['contact'][:_ID]}: ended")


@app.command()
def chats(name: WhichOption = "default") -> None:
    """Show each chat and what was said last in it."""
    target = Target.in_sandbox(name)
    with contact_centre(target) as simulator:
        found, numbers = simulator.chats(), {known["arn"]: known["number"] for known in simulator.numbers()}
    console = Console(highlight=False)
    if not found:
        console.print("no chats yet; start one with: bridge sandbox text +14255550182 hello")
        return
    console.print(chats_table(found, numbers))


def chats_table(found: list[dict[str, Any]], business_numbers: Mapping[str, str]) -> Table:
    """At most 80 columns wide; `business_numbers` by ARN."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("chat", no_wrap=True, width=_ID)
    table.add_column("customer", no_wrap=True, width=13)
    table.add_column("to", no_wrap=True, width=13)
    table.add_column("state", no_wrap=True, width=7)
    table.add_column("n", justify="right", no_wrap=True, width=3)
    table.add_column("last", no_wrap=True, overflow="ellipsis", max_width=28)
    for chat in found:
        state = "ended" if chat["ended"] else "active" if chat["connected"] else "waiting"
        messages = chat["messages"]
        table.add_row(
            chat["contact"][:_ID],
            Text(chat["source"] or chat["display_name"] or "?"),
            Text(business_numbers.get(chat["destination"] or "", chat["destination"] or "?")),
            Text(state, style="dim" if chat["ended"] else "green"),
            str(len(messages)),
            _summary(messages[-1]) if messages else Text(""),
        )
    return table


def publish_text(target: Target, customer: str, business_number: str, body: str) -> None:
    """Publish one SMS as EUM does, with an id of its own. Raises TargetError."""
    message = {
        "originationNumber": customer,
        "destinationNumber": business_number,
        "messageKeyword": "KEYWORD_111122223333",
        "messageBody": body,
        "inboundMessageId": str(uuid.uuid4()),
        "previousPublishedMessageId": None,
    }
    with aws_errors(target):
        target.client("sns").publish(TopicArn=target.outputs["InboundTopicArn"], Message=json.dumps(message))


def _summary(message: Mapping[str, Any]) -> Text:
    who = "" if message["role"] == "CUSTOMER" else f"{str(message['role']).lower()}: "
    at = time.strftime("%H:%M", time.localtime(message["at"]))
    return Text(f"{at} {who}{' '.join(str(message['content']).split())}")


@contextmanager
def contact_centre(target: Target) -> Iterator[Simulator]:
    """The controls of the sandbox's contact centre. Raises TargetError if it refuses one, or does not answer."""
    if target.sandbox is None:
        raise TargetError("only a sandbox can be played by hand")
    with target.sandbox.simulator() as simulator:
        try:
            yield simulator
        except ValueError as exc:
            raise TargetError(f"{exc}; see: bridge sandbox chats") from exc
        except httpx.HTTPError as exc:
            raise TargetError(f"the contact centre of {target.where} does not answer") from exc


def _print(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line, markup=False)
