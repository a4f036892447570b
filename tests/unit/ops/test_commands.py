"""The `bridge` command: README and docs name every command and option, and wrong use prints one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from ops.cli import app, run

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def of(command: Any, *path: str) -> Iterator[tuple[str, set[str]]]:
    """Each command with its options."""
    for name, one in getattr(command, "commands", {}).items():
        yield from of(one, *path, name)
    if not hasattr(command, "commands") or command.invoke_without_command:
        yield " ".join(path), {option for parameter in command.params for option in parameter.opts if option[0] == "-"}


COMMANDS = dict(of(typer.main.get_command(app)))


def commands(heading: str) -> list[str]:
    """The commands of a heading: `bridge a b ARGUMENT`, `c` are a b and a c."""
    first, *others = re.findall(r"`([^`]+)`", heading)
    words = [word for word in first.split()[1:] if word.islower()]
    return [" ".join(words), *(" ".join([*words[:-1], other.split()[0]]) for other in others)]


def sections() -> dict[str, set[str]]:
    """The options in the table of each heading of docs/commands.md."""
    _, *found = re.split(r"(?m)^##+ ", PAGE)
    return {section.partition("\n")[0]: set(re.findall(r"(?m)^\| `(--[a-z-]+)", section)) for section in found}


def parameters(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Each option and argument of each command, with the command."""
    for name, one in getattr(command, "commands", {}).items():
        yield from parameters(one, *path, name)
    yield from ((" ".join(path), parameter) for parameter in command.params)


def test_an_option_that_is_not_given_is_off_unless_it_has_one_of_these_defaults() -> None:
    defaults = {
        (command, parameter.opts[0]): parameter.default
        for command, parameter in parameters(typer.main.get_command(app))
    }
    of_sandboxes = {key: defaults.pop(key) for key in [*defaults] if key[1] in ("--sandbox", "--name")}
    assert of_sandboxes.pop(("sandbox status", "--name")) is None, "all"
    assert set(of_sandboxes.values()) == {"default"}
    assert {key: value for key, value in defaults.items() if value not in (None, False)} == {
        ("trace", "--hours"): 24,
        ("replay", "--timeout"): 60,
        ("sandbox up", "--port"): 4566,
        ("sandbox up", "--double-port"): 4567,
        ("sandbox up", "--config"): ROOT / "bridge.toml",
    }


def test_the_readme_names_every_command() -> None:
    rows = re.findall(r"(?m)^\| (`bridge .+?) \|", README)
    assert {command for row in rows for command in commands(row)} == COMMANDS.keys()


def test_the_page_of_commands_has_every_command_with_its_options_and_no_others() -> None:
    listed = sections()
    everywhere = listed["Where commands act"] | listed["How they print"] | listed["What failed"]
    said: dict[str, set[str]] = {}
    for heading, options in listed.items():
        if heading.startswith("`bridge"):
            together = commands(heading)
            said |= dict.fromkeys(together, options)
            assert options == set().union(*(COMMANDS[command] for command in together)) - everywhere, heading
    assert said.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"bridge {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nothing", "No such command 'nothing'"),
        ("replay", "Missing argument 'PATH...'"),
        ("replay x.json --direct --to +12125550101", "leave out --to and --from"),
        ("replay x.json --direct --from +14255550182", "leave out --to and --from"),
        ("replay x.json --direct --sandbox none-is-up", "no sandbox named none-is-up is up"),
        ("replay x.json --to +12125550101 --sandbox none-is-up", "no sandbox named none-is-up is up"),
        ("sandbox text 555 hello", "555 is no number such as +14255550182"),
        ("sandbox reply 1a2b hello --name none-is-up", "no sandbox named none-is-up is up"),
        ("failed redrive --sandbox none-is-up", "no sandbox named none-is-up is up"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_one_line(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and error.startswith("bridge: ")
