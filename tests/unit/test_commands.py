"""The `bridge` command: what the README names is there, and bad use is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.cli import run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def named() -> set[str]:
    """Commands of the table in the README, without arguments."""
    rows = re.findall(r"(?m)^\| (`bridge .+?) \|", README)
    found = set()
    for row in rows:
        first, *others = re.findall(r"`([^`]+)`", row)
        words = [word for word in first.split()[1:] if word.islower()]
        found |= {" ".join(words)} | {" ".join([*words[:-1], other]) for other in others}
    return found


def test_the_readme_names_every_command() -> None:
    assert named() == {
        "sandbox up", "sandbox down", "sandbox status", "sandbox text", "sandbox reply", "sandbox transfer",
        "sandbox end", "sandbox chats", "replay", "doctor", "numbers", "numbers connect", "numbers disconnect",
        "failed redrive", "demo",
    }  # fmt: skip


@pytest.mark.parametrize("command", sorted(named()))
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"bridge {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nothing", "No such command 'nothing'"),
        ("replay", "Missing argument 'PATH...'"),
        ("replay x.json --direct --to +12125550101", "leave out --to and --from"),
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
