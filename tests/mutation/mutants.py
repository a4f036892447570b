"""Mutants: changes of one operator, constant, argument or statement.

They are found in the syntax tree and made in the text, so that everything else stays as it is.
"""

from __future__ import annotations

import ast
import itertools
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("lambda/bridge", "infra", "ops")
_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
_ARITHMETIC: Mapping[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"),
}
_NO_BEHAVIOUR = {
    *("slots", "frozen", "kw_only", "repr"),
    *("description", "help", "metavar", "show_default"),
    *("box", "padding", "pad_edge", "style", "header_style", "no_wrap", "justify", "align", "width", "bar_width"),
    *("highlight", "label", "left_y_axis"),
}
"""Keyword arguments without behaviour: how objects are made, help texts, the look of tables and of graphs."""
_A_NAME = re.compile(r"[A-Za-z][\w:.*/-]{2,}")
"""Strings that programs read, not prose."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `file`, `replacement` for the text from `start` to `end`. `definition`: the function or class around it."""

    file: str
    definition: str
    line: int
    start: int
    end: int
    replacement: str

    def applied(self, source: str) -> str:
        return source[: self.start] + self.replacement + source[self.end :]

    def change(self, source: str) -> tuple[str, str]:
        """Changed lines before and after, each joined to one line."""
        first = source.rfind("\n", 0, self.start) + 1
        last = source.find("\n", self.end)
        last = len(source) if last < 0 else last
        after = source[first : self.start] + self.replacement + source[self.end : last]
        return _one_line(source[first:last]), _one_line(after)


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A mutant that does not change behaviour, with the reason."""

    place: str
    before: str
    after: str
    reason: str


def chosen(root: Path, *, count: int, seed: int) -> list[Mutant]:
    """Sample of all mutants that compile; the same for the same tree and seed."""
    everything = list(mutants(root))
    random.Random(seed).shuffle(everything)
    return list(itertools.islice((one for one in everything if _is_python(one, root)), count))


def mutants(root: Path) -> Iterator[Mutant]:
    """All mutants, by file."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            yield from of_source(path.read_text(encoding="utf-8"), file=path.relative_to(root).as_posix())


def of_source(source: str, *, file: str) -> Iterator[Mutant]:
    """Those of one file."""
    return _Reader(source, file).mutants()


def _is_python(mutant: Mutant, root: Path) -> bool:
    try:
        compile(mutant.applied((root / mutant.file).read_text(encoding="utf-8")), mutant.file, "exec")
    except SyntaxError:
        return False
    return True


def equivalents(path: Path) -> list[Equivalent]:
    return [Equivalent(**one) for one in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", ())]


def is_written_down(mutant: Mutant, source: str, known: Iterable[Equivalent]) -> bool:
    before, after = mutant.change(source)
    place = f"{mutant.file}::{mutant.definition}"
    return any((one.place, one.before, one.after) == (place, before, after) for one in known)


class _Reader:
    def __init__(self, source: str, file: str) -> None:
        self._source, self._file = source, file
        self._lines = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
        self._bytes = [line.encode() for line in source.splitlines(keepends=True)]
        self._definition = ""

    def mutants(self) -> Iterator[Mutant]:
        yield from self._body(ast.parse(self._source).body)

    def _body(self, statements: list[ast.stmt]) -> Iterator[Mutant]:
        for number, statement in enumerate(statements):
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text and not isinstance(statement, ast.Import | ast.ImportFrom):
                yield from self._statement(statement, only=len(statements) == 1 and number == 0)

    def _statement(self, statement: ast.stmt, *, only: bool) -> Iterator[Mutant]:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            before, nested = self._definition, isinstance(statement, ast.FunctionDef) and self._in_function
            if not nested:
                self._definition = f"{before}.{statement.name}".lstrip(".")
            inside, self._in_function = self._in_function, isinstance(statement, ast.FunctionDef) or self._in_function
            yield from self._expressions([*statement.decorator_list, *_defaults(statement)])
            yield from self._body(statement.body)
            self._definition, self._in_function = before, inside
            return
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            return
        removable = isinstance(statement, ast.AugAssign) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Yield | ast.YieldFrom)
        )
        if removable and self._in_function:
            yield self._mutant(statement, "pass")
        if isinstance(statement, ast.Return) and statement.value is not None and not _is_none(statement.value):
            yield self._mutant(statement.value, "None")
        if isinstance(statement, ast.If | ast.While):
            yield self._mutant(statement.test, f"not ({self._text(statement.test)})")
        for name, value in ast.iter_fields(statement):
            if name == "annotation":
                continue
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from self._body(value)
            else:
                yield from self._expressions(value if isinstance(value, list) else [value])

    _in_function = False

    def _expressions(self, values: Iterable[object]) -> Iterator[Mutant]:
        for value in values:
            if isinstance(value, ast.ExceptHandler | ast.match_case):
                yield from self._body(value.body)
            elif isinstance(value, ast.AST):
                yield from self._expression(value)

    def _expression(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.JoinedStr():
                return
            case ast.Compare():
                left = node.left
                for operator, right in zip(node.ops, node.comparators, strict=True):
                    yield from self._between(left, right, *_COMPARISONS[type(operator)])
                    left = right
            case ast.BoolOp():
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for one, next_one in itertools.pairwise(node.values):
                    yield from self._between(one, next_one, *words)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                yield from self._between(node.left, node.right, *_ARITHMETIC[type(node.op)])
            case ast.UnaryOp(op=ast.Not()):
                yield self._mutant(node, self._text(node.operand))
            case ast.IfExp():
                yield self._mutant(node.test, f"not ({self._text(node.test)})")
            case ast.Constant():
                yield from self._constant(node)
            case ast.Call():
                for keyword in node.keywords:
                    if keyword.arg and keyword.arg not in _NO_BEHAVIOUR:
                        yield self._without(keyword)
        if isinstance(node, ast.keyword) and node.arg in _NO_BEHAVIOUR:
            return
        for name, value in ast.iter_fields(node):
            if name != "annotation":
                yield from self._expressions(value if isinstance(value, list) else [value])

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield self._mutant(node, str(not value))
        elif isinstance(value, int):
            yield self._mutant(node, str(value + 1))
        elif isinstance(value, float):
            yield self._mutant(node, repr(value * 2 or 1.0))
        elif isinstance(value, str) and _A_NAME.fullmatch(value):
            yield self._mutant(node, repr(f"{value}X"))

    def _between(self, left: ast.AST, right: ast.AST, operator: str, other: str) -> Iterator[Mutant]:
        """Replace the operator between two operands."""
        start, end = self._span(left)[1], self._span(right)[0]
        found = re.search(rf"(?<![\w=!<>*/]){re.escape(operator)}(?![\w=>*/])", self._source[start:end])
        if found:
            yield self._at(start + found.start(), start + found.end(), other)

    def _without(self, keyword: ast.keyword) -> Mutant:
        start, end = self._span(keyword)
        after = re.match(r"\s*,\s*", self._source[end:])
        before = re.search(r",\s*$", self._source[:start])
        if after:
            return self._at(start, end + after.end(), "")
        return self._at(before.start() if before else start, end, "")

    def _mutant(self, node: ast.AST, replacement: str) -> Mutant:
        return self._at(*self._span(node), replacement)

    def _at(self, start: int, end: int, replacement: str) -> Mutant:
        line = self._source.count("\n", 0, start) + 1
        return Mutant(self._file, self._definition, line, start, end, replacement)

    def _text(self, node: ast.AST) -> str:
        return self._source[slice(*self._span(node))]

    def _span(self, node: ast.AST) -> tuple[int, int]:
        at = vars(node)
        return (
            self._offset(at["lineno"], at["col_offset"]),
            self._offset(at["end_lineno"], at["end_col_offset"]),
        )

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + len(self._bytes[line - 1][:column].decode())


def _defaults(statement: ast.FunctionDef | ast.ClassDef) -> list[object]:
    if isinstance(statement, ast.ClassDef):
        return []
    return [*statement.args.defaults, *statement.args.kw_defaults]


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _one_line(text: str) -> str:
    return " ".join(text.split())
