"""The mutation list and its harness: patches apply; a mutation that its test detects is red, another is not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.mutation.__main__ import main, table
from tests.mutation.harness import ROOT, Case, Edit, Harness, Mutation, MutationError, Run, Verdict, judged, span
from tests.mutation.patches import MUTATIONS, QUICK
from tests.mutation.places import PLACES

PAGE = ROOT / "docs" / "promises.md"
CHOSEN = [mutation for mutation in MUTATIONS if mutation.name in QUICK]
SPLIT = "tests/unit/bridge/processing/test_splitting.py::test_a_text_that_fits_is_one_part"
OTHER = "tests/unit/bridge/processing/test_splitting.py::test_the_cut_is_after_the_last_white_space_that_fits"


def example(name: str, line: str, *, says: str = "") -> Mutation:
    """Replaces the line that returns a text that fits as one part."""
    edit = Edit("lambda/bridge/processing/splitting.py", "        return (text,)\n", f"        {line}\n")
    return Mutation(name=f"example/{name}", edits=(edit,), tests=(SPLIT,), control=OTHER, says=says)


EXAMPLES = {
    example("no-harm", "return tuple([text])"): "STILL GREEN",
    example("a-slip", "return (text, limit.nonsense)"): "PATCH IS WRONG",
    example("an-unknown-name", "return (nobody,)"): "NO PATCH",
    Mutation(
        name="example/no-module",
        edits=(Edit("lambda/bridge/processing/splitting.py", "_NO_BREAK = ", '_NO_BREAK = int("x") or '),),
        tests=(SPLIT,),
        control=None,
    ): "NOT RUN",
}


def test_every_patch_still_applies_and_leaves_python(tmp_path: Path) -> None:
    for one in MUTATIONS:
        for file in {edit.file for edit in one.edits}:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tmp_path / file)
        for edit in one.edits:
            edit.apply(tmp_path)
            compile((tmp_path / edit.file).read_text(encoding="utf-8"), one.name, "exec")


def test_names_are_unique_and_the_quick_ones_are_in_the_list() -> None:
    names = [one.name for one in MUTATIONS]
    assert len(set(names)) == len(names)
    assert sorted(one.name for one in CHOSEN) == sorted(QUICK)


def test_a_mutation_is_red_only_if_its_test_detects_it() -> None:
    expected = dict.fromkeys(QUICK, "red") | {one.name: result for one, result in EXAMPLES.items()}
    with Harness.open([*CHOSEN, *EXAMPLES]) as harness:
        verdicts = harness.run([*CHOSEN, *EXAMPLES])
        for copy in harness.copies:
            for file in {edit.file for one in (*CHOSEN, *EXAMPLES) for edit in one.edits}:
                assert (copy.root / file).read_bytes() == (ROOT / file).read_bytes(), "a mutation was not undone"
    assert {verdict.mutation.name: verdict.result for verdict in verdicts} == expected
    assert all(verdict.held == (verdict.result == "red") for verdict in verdicts)


FAILED, PASSED = Case("failed", "AssertionError: assert 1 == 2"), Case("passed")


@pytest.mark.parametrize(
    ("code", "cases", "result"),
    [
        (1, {f"{SPLIT}[a]": FAILED, f"{SPLIT}[b]": FAILED, OTHER: PASSED}, "red"),
        (0, {SPLIT: PASSED, OTHER: PASSED}, "STILL GREEN"),
        (1, {SPLIT: PASSED, OTHER: FAILED}, "STILL GREEN"),
        (1, {f"{SPLIT}[a]": FAILED, f"{SPLIT}[b]": PASSED, OTHER: PASSED}, "STILL GREEN"),
        (0, {SPLIT: Case("skipped"), OTHER: PASSED}, "STILL GREEN"),
        (1, {SPLIT: FAILED, f"{OTHER}[a]": PASSED, f"{OTHER}[b]": PASSED}, "red"),
        (1, {SPLIT: FAILED, OTHER: FAILED}, "ALL BROKEN"),
        (1, {SPLIT: FAILED, f"{OTHER}[a]": PASSED, f"{OTHER}[b]": FAILED}, "ALL BROKEN"),
        (1, {SPLIT: Case("failed", "AssertionError: 3"), OTHER: PASSED}, "OTHER REASON"),
        (1, {SPLIT: Case("failed", "TypeError: 1 == 2"), OTHER: PASSED}, "PATCH IS WRONG"),
        (1, {SPLIT: Case("error", "RuntimeError: 1 == 2"), OTHER: PASSED}, "SET-UP FAILS"),
        (1, {OTHER: FAILED}, "NOT RUN"),
        (2, {SPLIT: FAILED, OTHER: PASSED}, "NOT RUN"),
        (None, {}, "HANGS"),
    ],
)
def test_a_mutation_is_red_only_if_its_test_fails_for_its_reason(
    code: int | None, cases: dict[str, Case], result: str
) -> None:
    assert judged(example("any", "", says="1 == 2"), Run(code, cases, ""))[0] == result


@pytest.mark.parametrize(("search", "times"), [("nowhere to be found", 0), ("parts", 3)])
def test_a_patch_that_no_longer_applies_names_file_and_text(search: str, times: int) -> None:
    with pytest.raises(
        MutationError, match=rf"lambda/bridge/processing/splitting.py: .* is there {times} times:\n{search}"
    ):
        Edit("lambda/bridge/processing/splitting.py", search, "").apply(ROOT)


@pytest.mark.parametrize(
    ("place", "search", "said"),
    [
        ("nobody.knows", "x", "places.py has no nobody.knows"),
        ("split_by", "nowhere", r"lambda/bridge/processing/splitting.py::split_by: .* is there 0 times"),
        ("split_by", "utf16_length", "is there 0 times"),  # it is in the file, elsewhere
    ],
)
def test_a_patch_of_a_place_names_it(monkeypatch: pytest.MonkeyPatch, place: str, search: str, said: str) -> None:
    monkeypatch.setitem(PLACES, "split_by", "lambda/bridge/processing/splitting.py::split_by")
    with pytest.raises(MutationError, match=said):
        Edit(place, search, "").apply(ROOT)


def test_a_patch_of_a_place_changes_that_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "def one():\n    return 1\n\n\nclass Two:\n    @property\n    def one(self):\n        return 1\n\n\nONE = 1\n"
    )
    for definition, expected in (
        ("one", source.replace("return 1", "return 2", 1)),
        ("Two.one", "return 2".join(source.rsplit("return 1", 1))),
    ):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / "b.py").write_text(source)
        monkeypatch.setitem(PLACES, "here", f"a/b.py::{definition}")
        Edit("here", "return 1", "return 2").apply(tmp_path)
        assert (tmp_path / "a" / "b.py").read_text() == expected
    assert source[slice(*span(source, "Two.one"))].startswith("    @property")
    assert source[slice(*span(source, "ONE"))] == "ONE = 1\n"
    assert span(source, "Two.two") == (0, 0)


def test_every_place_exists_and_is_used_by_the_list() -> None:
    used = {
        edit.where
        for one in MUTATIONS
        for edit in one.edits
        if "/" not in edit.where and not edit.where.endswith(".py")
    }
    assert used == PLACES.keys()
    for place in PLACES.values():
        file, _, definition = place.partition("::")
        source = (ROOT / file).read_text(encoding="utf-8")
        assert span(source, definition) != (0, 0), place


def test_the_tests_must_pass_without_a_mutation() -> None:
    missing = replace(CHOSEN[0], tests=("tests/unit/test_split.py::test_that_nobody_wrote",))
    with pytest.raises(MutationError, match="tests fail without a mutation"), Harness.open([missing]):
        pass


def test_an_unknown_name_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"]) == 2
    assert "group-lock" in capsys.readouterr().out


def test_the_table_fits_80_columns() -> None:
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(table([Verdict(one, "STILL GREEN", 123.4) for one in MUTATIONS]))
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= 80
    words = " ".join(" ".join(lines).split())
    for name in QUICK:
        assert name.partition("/")[2] in words


# --- docs/promises.md -------------------------------------------------------------------------------------


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    sources = [
        path.read_text(encoding="utf-8")
        for path in (*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "testing").rglob("*.py"))
    ]
    modules = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    written = {
        name for source in sources for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", source, re.MULTILINE)
    }
    assert len(named) > 40
    assert named - written - modules == set()


def test_the_page_names_the_tests_of_every_mutation() -> None:
    rows = set(re.findall(r"^\| `([\w/-]+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {(one.name, ", ".join(dict.fromkeys(f"`{_name(test)}`" for test in one.tests))) for one in MUTATIONS}


def _name(test: str) -> str:
    return test.partition("::")[2].partition("[")[0]


def test_every_test_of_the_list_is_collected() -> None:
    named = sorted({test for one in MUTATIONS for test in (*one.tests, *filter(None, [one.control]))})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    missing = [line for line in (collected.stdout + collected.stderr).splitlines() if line.startswith("ERROR")]
    assert (missing, collected.returncode) == ([], 0)
