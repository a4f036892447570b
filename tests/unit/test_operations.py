"""docs/operations.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.measures import BY_FUNCTION

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_page_has_every_metric_with_the_functions_that_write_it() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([a-z_, ]+) \| .+\.( \|)$", PAGE)
    assert len({name for name, *_ in rows}) == len(rows)
    listed = {(service, name) for name, services, _ in rows for service in services.split(", ")}
    assert listed == {(service, name) for service, names in BY_FUNCTION.items() for name in names}
