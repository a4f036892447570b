"""What tests share is in testing/, not in a test module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]


def imported(source: str) -> Iterator[str]:
    """Names of the modules that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_test_module_imports_another() -> None:
    found = {
        part
        for path in TESTS.rglob("*.py")
        for name in imported(path.read_text(encoding="utf-8"))
        for part in name.split(".")[1:-1]
        if part.startswith("test_")
    }
    assert found == set()
