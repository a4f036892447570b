"""Reads bridge.toml and reports all its mistakes at once, each with its line and what would be right."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.config.rules import NO_NUMBER, Finding, findings_between_settings
from infra.config.schema import SECTIONS, BridgeConfig
from infra.config.toml import Loc, line_numbers, place, syntax_mistake
from infra.config.values import EXAMPLE_ARN, shown


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` is None if the mistake is on no line."""

    line: int | None
    place: str
    problem: str
    remedy: str


class ConfigError(Exception):
    """All mistakes of a file; as text, one line each: `bridge.toml:14: numbers[2].arn: problem; remedy`."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        super().__init__(path, mistakes)
        self.path = path
        self.mistakes = mistakes

    def __str__(self) -> str:
        lines = []
        for mistake in self.mistakes:
            file = f"{self.path}:{mistake.line}" if mistake.line else f"{self.path}"
            lines.append(": ".join(filter(None, (file, mistake.place, f"{mistake.problem}; {mistake.remedy}"))))
        return "\n".join(lines)


def load(path: Path) -> BridgeConfig:
    """The settings of the file. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = (
            "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        remedy = "copy bridge.toml and name it with: cdk deploy -c config=PATH"
        raise ConfigError(path, [Mistake(None, "", problem, remedy)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Mistake(line, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, problem, remedy = syntax_mistake(text, error)
        raise ConfigError(path, [Mistake(line, "", problem, remedy)]) from None

    config, findings = None, []
    try:
        config = BridgeConfig.model_validate(raw)
    except ValidationError as error:
        findings = [_finding(details) for details in error.errors()]
    findings += findings_between_settings(raw, {loc for loc, _, _ in findings})
    if config is None or findings:
        lines = line_numbers(text)
        mistakes = [Mistake(_line(lines, loc), place(loc), problem, remedy) for loc, problem, remedy in findings]
        raise ConfigError(path, sorted(mistakes, key=lambda m: (m.line or 0, m.place)))
    return config


def _line(lines: Mapping[Loc, int], loc: Loc) -> int | None:
    """The line of the setting, or of the table in which it is missing."""
    return next((lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in lines), None)


def _finding(error: ErrorDetails) -> Finding:
    """An error of pydantic, with a text for the deployer."""
    loc = tuple(key for key in error["loc"] if key != "[key]")
    match error["type"]:
        case "mistake":
            return loc, error["ctx"]["problem"], error["ctx"]["remedy"]
        case "missing" if loc == ("numbers",):
            return NO_NUMBER
        case "missing":
            example = '"+12125550101"' if loc[-1] == "number" else f'"{EXAMPLE_ARN}"'
            return loc, "is missing", f"{loc[-1]} = {example}"
        case "extra_forbidden":
            return loc, "there is no such setting", _did_you_mean(loc)
        case _ if loc == ("numbers",) or (len(loc) == 2 and loc[0] == "numbers"):
            return loc, "is not a list of tables", "write [[numbers]], in double brackets, before each number"
        case _:
            return loc, f"{shown(error['input'])} is not a table", f"write [{place(loc)}] and its settings below it"


def _did_you_mean(loc: Loc) -> str:
    name = str(loc[-1])
    here: type[BaseModel] = SECTIONS[str(loc[0])] if len(loc) > 1 else BridgeConfig
    if near := difflib.get_close_matches(name, here.model_fields, n=1):
        return f"did you mean {near[0]}?"
    for section, model in SECTIONS.items():
        if name in model.model_fields:
            return f"{name} belongs under {'[[numbers]]' if section == 'numbers' else f'[{section}]'}"
    return "known here: " + ", ".join(here.model_fields)
