"""Random mutants: small, reproducible, and run against the tests that reach them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.harness import ROOT
from tests.mutation.mutants import Equivalent, Mutant, chosen, equivalents, is_written_down, of_source
from tests.mutation.random_mutants import EQUIVALENT, Reach

SOURCE = '''\
"""Words that nobody reads."""
import os

LIMIT = 3
NAME = "part_done"
PROSE = "there is nothing to show"


@dataclass(frozen=True, slots=True)
class Pace:
    rate: float = 1.5

    def take(self, now: float, *, until: float = 2.0) -> bool:
        """Words that nobody reads either."""
        def inner() -> int:
            return 1 - now
        if not now and now < until:
            self.note(now, at=until)
        self.print(style="bold", width=7, label="in flight")
        self.count += 1
        return inner() if until in (now,) else None
'''


def changes(source: str) -> set[tuple[str, str, str]]:
    return {(one.definition, *one.change(source)) for one in of_source(source, file="a.py")}


@pytest.mark.parametrize(
    ("definition", "before", "after"),
    [
        ("", "LIMIT = 3", "LIMIT = 4"),
        ("", 'NAME = "part_done"', "NAME = 'part_doneX'"),
        ("Pace", "rate: float = 1.5", "rate: float = 3.0"),
        ("Pace.take", "until: float = 2.0", "until: float = 4.0"),
        ("Pace.take", "return 1 - now", "return 1 + now"),
        ("Pace.take", "return 1 - now", "return None"),
        ("Pace.take", "if not now and now < until:", "if not now or now < until:"),
        ("Pace.take", "if not now and now < until:", "if not now and now <= until:"),
        ("Pace.take", "if not now and now < until:", "if now and now < until:"),
        ("Pace.take", "if not now and now < until:", "if not (not now and now < until):"),
        ("Pace.take", "self.note(now, at=until)", "pass"),
        ("Pace.take", "self.note(now, at=until)", "self.note(now)"),
        ("Pace.take", "self.count += 1", "pass"),
        ("Pace.take", "until in (now,)", "until not in (now,)"),
    ],
)
def test_a_mutant_is_one_small_change_in_its_definition(definition: str, before: str, after: str) -> None:
    found = [one for one in changes(SOURCE) if one[0] == definition and before in one[1] and after in one[2]]
    assert found
    for _, was, is_now in found:
        assert was.replace(before, after) == is_now


def test_words_imports_annotations_and_the_look_of_things_are_left_alone() -> None:
    assert [after for _, before, after in changes(SOURCE) if "self.print" in before] == ["pass"]
    for _, before, _ in changes(SOURCE):
        for left_alone in ("nobody reads", "import os", "PROSE", "@dataclass"):
            assert left_alone not in before


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert chosen(ROOT, count=5, seed=1) == chosen(ROOT, count=5, seed=1) != chosen(ROOT, count=5, seed=2)
    assert chosen(ROOT, count=2, seed=1) == chosen(ROOT, count=5, seed=1)[:2]


def test_what_is_equivalent_is_known_by_its_place_and_its_lines(tmp_path: Path) -> None:
    (mutant,) = (one for one in of_source(SOURCE, file="a.py") if one.change(SOURCE)[1] == "LIMIT = 4")
    known = Equivalent(place="a.py::", before="LIMIT = 3", after="LIMIT = 4", reason="")
    assert is_written_down(mutant, SOURCE, [known])
    assert is_written_down(mutant, SOURCE.replace("import os", "import os\n\n"), [known]) is False
    for other in ("b.py::", "a.py::Pace"):
        assert not is_written_down(mutant, SOURCE, [Equivalent(other, known.before, known.after, "")])
    (tmp_path / "e.toml").write_text(
        '[[equivalent]]\nplace = "a.py::"\nbefore = "LIMIT = 3"\nafter = "LIMIT = 4"\nreason = ""\n'
    )
    assert equivalents(tmp_path / "e.toml") == [known]


def test_every_equivalent_mutant_exists_and_has_a_reason() -> None:
    """Remove one from the list when its code changes."""
    for one in equivalents(EQUIVALENT):
        file, _, definition = one.place.partition("::")
        source = (ROOT / file).read_text(encoding="utf-8")
        assert (definition, one.before, one.after) in changes(source), one
        assert len(one.reason) > 20


TESTS = {
    "tests/unit/a.py::slow": {"seconds": 2.0, "functions": ["lambda/bridge/a.py::f"]},
    "tests/unit/a.py::quick": {"seconds": 1.0, "functions": ["lambda/bridge/a.py::f", "infra/b.py::g"]},
    "tests/unit/a.py::other": {"seconds": 0.5, "functions": ["lambda/bridge/a.py::h"]},
}


@pytest.mark.parametrize(
    ("file", "definition", "tests"),
    [
        ("lambda/bridge/a.py", "f", ["quick", "slow"]),
        ("lambda/bridge/a.py", "", ["other", "quick", "slow"]),
        ("lambda/bridge/a.py", "never_called", ["other", "quick", "slow"]),
        ("lambda/bridge/x.py", "f", []),
        ("infra/b.py", "g", ["quick", "tests/infra/test_stack.py"]),
        ("ops/b.py", "g", ["tests/unit/ops/test_commands.py"]),
        ("infra/packaging/b.py", "g", [f"tests/infra/test_{one}.py" for one in ("stack", "archive", "packaging")]),
    ],
)
def test_a_mutant_runs_against_tests_that_reach_it_quickest_first(file: str, definition: str, tests: list[str]) -> None:
    found = Reach(TESTS, ["tests/infra/test_stack.py"]).for_mutant(Mutant(file, definition, 1, 0, 0, ""))
    assert [test.removeprefix("tests/unit/a.py::") for test in found] == tests
