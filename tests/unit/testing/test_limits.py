"""How long modules, functions and names of tests may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("lambda", "infra", "ops", "sandbox", "testing", "bench", "tests")
MODULE, FUNCTION = 400, 60
"""Lines; those of a function with its decorators."""
NAME = len("test_") + 70


def sources() -> Iterator[tuple[str, str]]:
    """Path and text of each module of the project."""
    for path in (ROOT / "app.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def too_long(path: str, source: str) -> Iterator[str]:
    if (lines := len(source.splitlines())) > MODULE:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if (lines := (node.end_lineno or first) - first + 1) > FUNCTION:
                yield f"{path}: {node.name} has {lines} lines"
            if node.name.startswith("test_") and len(node.name) > NAME:
                yield f"{path}: {node.name} is a long name"


def test_modules_functions_and_names_of_tests_are_short() -> None:
    found = [problem for path, source in sources() for problem in too_long(path, source)]
    assert found == []


def test_what_is_too_long_is_found() -> None:
    body = "    pass\n"
    long_name = f"def test_{'a' * 71}():\n{body}"
    assert [*too_long("m.py", f"def f():\n{body * 59}{long_name}")] == [f"m.py: test_{'a' * 71} is a long name"]
    assert [*too_long("m.py", f"@g\ndef f():\n{body * 59}")] == ["m.py: f has 61 lines"]
    assert [*too_long("m.py", "x = 1\n" * 401)] == ["m.py: 401 lines"]
