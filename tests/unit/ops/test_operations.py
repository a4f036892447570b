"""docs/operations.md names the metrics, errors, settings and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

from bridge import errors
from bridge.metrics import METRICS_BY_FUNCTION
from infra.config import BridgeConfig, Limits, Operation
from testing import commands

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_page_has_every_metric_with_the_functions_that_write_it() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| ([a-z_, ]+) \| .+\.( \|)$", PAGE)
    assert len({name for name, *_ in rows}) == len(rows)
    listed = {(service, name) for name, services, _ in rows for service in services.split(", ")}
    assert listed == {(service, name) for service, names in METRICS_BY_FUNCTION.items() for name in names}


def test_the_page_says_what_mends_each_error_that_a_text_can_fail_with() -> None:
    section = PAGE[PAGE.index("### AlarmFailed") : PAGE.index("### AlarmUndelivered")]
    failed_by = {
        name.removeprefix("Failed") for names in METRICS_BY_FUNCTION.values() for name in names if "Error" in name
    }
    assert set(re.findall(r"`(\w+Error)`", section)) == failed_by


def test_the_page_names_no_error_no_setting_and_no_place_that_is_not_there() -> None:
    assert all(hasattr(errors, name.removeprefix("Failed")) for name in re.findall(r"`(\w+Error)`", PAGE))
    for section, name in re.findall(r"`(limits|operation)\.(\w+)`", PAGE):
        assert name in (Limits if section == "limits" else Operation).model_fields, name
    assert {"limits", "operation"} <= BridgeConfig.model_fields.keys()
    headings = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"(?m)^##+ (.+)$", PAGE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= headings


def test_the_page_names_no_command_that_is_not_there() -> None:
    known = commands.known()
    groups = {one.partition(" ")[0] for one in known if " " in one}
    for written in re.findall(r"`bridge ([a-z][^`]*)`", PAGE):
        first, *others = (word for word in written.split() if re.fullmatch("[a-z]+", word))
        assert first in known, written
        assert first not in groups or not others or f"{first} {others[0]}" in known, written
