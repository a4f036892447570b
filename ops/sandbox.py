"""`bridge sandbox up|down|status`, and what is played in it by hand: the whole bridge on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from infra.config import load
from ops import chats
from ops.samples import SAMPLES_TEXT
from sandbox.lifecycle import PORT, SIMULATOR_PORT, Sandbox, take_down
from sandbox.state import ROOT, names

app = typer.Typer(no_args_is_help=True, help="The whole bridge on this machine: local AWS, contact centre, deploy.")

NameOption = Annotated[str, typer.Option("--name", help="Several sandboxes can be up, each on ports of its own.")]


class Seconds(ProgressColumn):
    """How long a step has taken so far, or took."""

    def render(self, task: Task) -> Text:
        return Text(_seconds(task))


class Steps:
    """Shows what is being done and for how long: live on a terminal, a line when done elsewhere."""

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
    double_port: Annotated[
        int, typer.Option(help="Port of the contact centre; 0: any free one.", min=0, max=65535)
    ] = SIMULATOR_PORT,
    config: Annotated[Path, typer.Option(help="Another bridge.toml.")] = ROOT / "bridge.toml",
) -> None:
    """Start the sandbox and deploy to it; deploy again when it is up."""
    console = Console(highlight=False)
    began = time.monotonic()
    with Steps(console) as steps:
        sandbox = Sandbox.up(name, port, double_port, config=config, on_step=steps)
    console.print(f"[bold]sandbox {name} is up[/] ({time.monotonic() - began:.0f} s)")
    _show(console, sandbox)
    named = name != "default"
    options = f"{_to(config)}{f' --sandbox {name}' if named else ''}"
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


def _to(config: Path) -> str:
    """The option that lets events/ text a number of this configuration, where they do not anyway."""
    ours = [number.number for number in load(config).numbers]
    return "" if SAMPLES_TEXT in ours else f" --to {ours[0]}"


def _show(console: Console, sandbox: Sandbox) -> None:
    rows = {
        "local AWS": f"{sandbox.endpoint_url}{_stopped(sandbox, 'ministack')}",
        "contact centre": f"{sandbox.simulator_url}{_stopped(sandbox, 'double')}{_taken(sandbox)}",
    }
    if sandbox.stack:
        rows["stack"] = f"{sandbox.stack}, from {_short(Path(sandbox.config))}"
        rows["topic"] = sandbox.outputs.get("InboundTopicArn", "")
    rows["logs"] = _short(sandbox.folder / "logs")
    for name, value in rows.items():
        # Left to the terminal to wrap: an ARN that is broken in two cannot be copied.
        console.print(f"  [dim]{name:14}[/]  {escape(value)}", soft_wrap=True)


def _stopped(sandbox: Sandbox, role: str) -> str:
    process = sandbox.processes.get(role)
    return "" if process and process.running else " (not running)"


def _taken(sandbox: Sandbox) -> str:
    try:
        with sandbox.simulator() as double:
            status = double.status()
    except httpx.HTTPError:
        return ""
    faults = ", ".join(fault["fault"] for fault in status["faults"])
    return f" ({status['accepted']} calls taken, {status['chats']} active chats{faults and f', faults: {faults}'})"


def _short(path: Path) -> str:
    """The path as seen from here, where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


chats.register(app)
