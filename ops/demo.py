"""`bridge demo`: the whole product on this machine, from nothing to the chats that an agent would read."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from infra.config import BridgeConfig, Number, load
from ops.console import progress
from ops.replay.command import outcomes_table, replay, short_name
from ops.replay.outcomes import Result
from ops.sandbox import Steps, contact_centre, publish_text
from ops.target import Target
from sandbox.lifecycle import Sandbox
from sandbox.simulator.client import Simulator
from sandbox.state import ROOT, names

NAME = "demo"
EVENTS = ROOT / "events"
CONFIG = ROOT / "sandbox/demo.toml"
"""It has the numbers that the events are sent to; the user's bridge.toml may have others."""
WIDTH = 80
TIMEOUT = 120.0
"""Seconds, for all outcomes of the replay and for each dialogue."""
LONG_MESSAGE = 200
"""Characters of one message that are shown."""
QUESTION, ANSWER, THANKS = (
    "Is my bicycle ready?",
    "Yes, since this morning. Shall we keep it until Saturday?",
    "Please do 🙏",
)
_POLL_SECONDS = 0.2


def broken_promises(results: Iterable[Result]) -> list[str]:
    """One line for each file in which a notification did not end as its folder promises.

    In duplicate/ one notification of each inboundMessageId is forwarded, and the others are duplicates.
    """
    by_file: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_file[result.file].append(result)
    return [
        f"{short_name(file)}: {', '.join(result.outcome for result in of_file)}; promised: {', '.join(promised)}"
        for file, of_file in by_file.items()
        if (promised := _promised(Path(file).parent.name, of_file)) != sorted(result.outcome for result in of_file)
    ]


def _promised(folder: str, results: Sequence[Result]) -> list[str]:
    if folder != "duplicate":
        return [folder] * len(results)
    shown = len({result.text_key for result in results})
    return sorted(["forwarded"] * shown + ["duplicate"] * (len(results) - shown))


def chat_panel(chat: Mapping[str, Any], *, number: str, phone: Sequence[Mapping[str, Any]] = ()) -> Panel:
    """A chat as an agent reads it.

    Parameters:
        chat: as the contact centre's controls return it.
        number: the business number.
        phone: the texts that the customer's phone got, shown among the messages by time.
    """
    lines = Table.grid(padding=(0, 2))
    messages = [(message["at"], _message(message)) for message in chat["messages"]]
    texts = [(text["at"], _text(text)) for text in phone]
    for at, line in sorted(messages + texts, key=lambda each: each[0]):
        lines.add_row(Text(time.strftime("%H:%M:%S", time.localtime(at)), style="dim"), line)
    lines.add_row("", Text("the customer ended the chat" if chat["ended"] else "active", style="dim italic"))
    attributes = chat.get("attributes") or {}
    queue = f" · {attributes['queue']}" if "queue" in attributes else ""
    return Panel(
        lines,
        title=Text(f"{chat.get('display_name') or chat['source']}"),
        subtitle=Text(f"to {number}{queue}"),
        title_align="left",
        subtitle_align="right",
        box=box.HORIZONTALS,  # no sides: terminals differ about the width of an emoji
        width=WIDTH,
    )


def _message(message: Mapping[str, Any]) -> Text:
    role = str(message.get("role", "CUSTOMER")).lower()
    line = Text("" if role == "customer" else f"{role}: ", style="bold")
    text = str(message["content"]).strip()
    rest = len(text) - LONG_MESSAGE
    line.append(text if rest <= 0 else text[:LONG_MESSAGE].rstrip(), style="not bold")
    if rest > 0:
        line.append(f" … and {rest} more characters", style="dim not bold")
    return line


def _text(text: Mapping[str, Any]) -> Text:
    by = "the bridge" if text["by"] == "SendTextMessage" else "Connect"
    return Text(f"↳ on the phone, sent by {by} from {text['from']}", style="cyan")


def command() -> None:
    """Start a sandbox, deploy, replay events/, show each outcome and each chat, and a conversation both ways.

    Exit code 1 when an event did not end as its folder promises, or an answer did not reach the phone.
    """
    console = Console(highlight=False)
    console.width = min(WIDTH, console.width)
    began = time.monotonic()
    _heading(console, "a sandbox on this machine: local AWS, contact centre, cdk deploy")
    config = load(CONFIG)
    numbers = {number.arn: number.number for number in config.numbers}
    with Steps(console) as steps:
        sandbox = Sandbox.up(_free_name(), port=0, simulator_port=0, config=CONFIG, on_step=steps)
    try:
        _heading(console, "events/, published to the topic")
        with progress() as on_progress:
            target = Target.in_sandbox(sandbox.name)
            results = replay(target, [_from_here(EVENTS)], timeout=TIMEOUT, on_progress=on_progress)
        console.print(outcomes_table(results))
        _heading(console, "the chats, as an agent reads them")
        with contact_centre(target) as simulator:
            chats = simulator.chats()
        for chat in chats:
            console.print(chat_panel(chat, number=numbers.get(chat["destination"], "?")))
        _heading(console, "both ways: what the agent answers, and where the phone gets it from")
        with contact_centre(target) as simulator:
            dialogues = [
                play(target, simulator, delivery=delivery, number=number.number, customer=f"+142555501{last}")
                for last, (delivery, number) in enumerate(sorted(numbers_by_delivery(config).items()), 70)
            ]
        for one in dialogues:
            console.print(f"delivery = {one.delivery}", style="bold")
            if one.chat:
                console.print(chat_panel(one.chat, number=one.number, phone=one.phone))
        _heading(console, "in the failed queue, untouched, each with its reason")
        for result in results:
            if result.outcome == "failed":
                console.print(f"{short_name(result.file)}: {result.reason}", markup=False)
    finally:
        sandbox.down()
    console.print(Rule())
    counts = Counter(result.outcome for result in results)
    summary = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
    console.print(f"{len(results)} notifications: {summary}; {len(chats)} chats; {time.monotonic() - began:.0f} s")
    if broken := broken_promises(results) + [one.broken for one in dialogues if one.broken]:
        for line in broken:
            console.print(Text(f"not as promised: {line}", style="red"))
        raise typer.Exit(1)
    console.print("each event ended as its folder promises, each answer on its phone; sandbox stopped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One conversation both ways: `chat` as the contact centre has it, `phone` the texts that the customer got."""

    delivery: str
    number: str
    customer: str
    chat: Mapping[str, Any] | None
    phone: Sequence[Mapping[str, Any]]

    @property
    def broken(self) -> str | None:
        """One line that says what did not arrive."""
        messages = [(message["role"], message["content"]) for message in (self.chat or {}).get("messages", ())]
        if messages != [("CUSTOMER", QUESTION), ("AGENT", ANSWER), ("CUSTOMER", THANKS)]:
            return f"{self.delivery}: the agent's chat has {len(messages)} of 3 messages, or others"
        if [text["body"] for text in self.phone] != [ANSWER]:
            return f"{self.delivery}: the phone got {len(self.phone)} texts, not the agent's answer alone"
        return None


def numbers_by_delivery(config: BridgeConfig) -> dict[str, Number]:
    """The first number of each delivery in the configuration."""
    first: dict[str, Number] = {}
    for number in config.numbers:
        first.setdefault(config.delivery_of(number), number)
    return first


def play(target: Target, simulator: Simulator, *, delivery: str, number: str, customer: str) -> Dialogue:
    """The customer asks, an agent answers, the customer thanks; each waits for the one before. Raises TargetError."""

    def chat() -> dict[str, Any] | None:
        return next((chat for chat in simulator.chats() if chat["source"] == customer), None)

    def has_messages(count: int) -> Callable[[], bool]:
        return lambda: len((chat() or {"messages": ()})["messages"]) >= count

    deadline = time.monotonic() + TIMEOUT
    publish_text(target, customer, number, QUESTION)
    if _wait(has_messages(1), deadline):
        simulator.reply(customer, ANSWER)
        if _wait(lambda: bool(simulator.phone(customer)), deadline):
            publish_text(target, customer, number, THANKS)
            _wait(has_messages(3), deadline)
    return Dialogue(delivery=delivery, number=number, customer=customer, chat=chat(), phone=simulator.phone(customer))


def _wait(condition: Callable[[], bool], deadline: float) -> bool:
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(Text(text, style="bold"), align="left", style="dim"))


def _free_name() -> str:
    """Not the name of a sandbox that is up: the command stops only what it started."""
    taken = set(names())
    return next(name for number in count(1) if (name := f"{NAME}-{number}" if number > 1 else NAME) not in taken)


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
