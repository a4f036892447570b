"""The dashboard and the saved queries use metrics, log groups and fields that exist."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

from bridge.metrics import METRICS_BY_FUNCTION
from testing.metrics import OF_A_TEXT, OF_POWERTOOLS
from tests.infra.conftest import Synthesised, refers_to, text
from tests.infra.metrics import written


def widgets(stack: Synthesised) -> list[Any]:
    found: list[Any] = json.loads(text(stack.one("CloudWatch::Dashboard")["DashboardBody"]))["widgets"]
    return found


def read(stack: Synthesised) -> set[str]:
    """The metrics on the dashboard; fails if nothing writes one of them."""
    found = set()
    for widget in widgets(stack):
        for namespace, name, dimension, value, *_ in widget["properties"].get("metrics", []):
            meant = value.removeprefix("${").removesuffix("}")
            found.add(written(stack, namespace=namespace, name=name, dimension=dimension, value=meant))
    return found


def test_its_rows_answer_four_questions_from_top_to_bottom(
    everything: Synthesised,
) -> None:
    titles = [(one["y"], one["properties"]["markdown"]) for one in widgets(everything) if one["type"] == "text"]
    assert [title.splitlines()[0] for _, title in sorted(titles)] == [
        "## Is it working?",
        "## How fast?",
        "## What failed?",
        "## What is queued?",
    ]
    assert all(len(title) < 160 for _, title in titles)


def test_it_shows_all_metrics_of_the_functions_and_only_metrics_that_exist(
    stack: Synthesised, everything: Synthesised
) -> None:
    def counted(*functions: str) -> set[str]:
        return {f"{function} {name}" for function in functions for name in METRICS_BY_FUNCTION[function]}

    assert read(stack) >= counted("intake", "forward") and not any("repl" in one.lower() for one in read(stack))
    assert read(everything) >= counted(*METRICS_BY_FUNCTION)


def test_all_four_queues_and_all_functions_are_on_it(everything: Synthesised) -> None:
    expected = {f"{queue} ApproximateNumberOfMessagesVisible" for queue in everything.all("SQS::Queue")}
    expected |= {f"{function} {of}" for function in METRICS_BY_FUNCTION for of in ("Errors", "Throttles")}
    assert expected <= read(everything)


def test_every_alarm_is_on_it(everything: Synthesised) -> None:
    (alarms,) = (one["properties"]["alarms"] for one in widgets(everything) if one["type"] == "alarm")
    assert sorted(alarms) == sorted(f"${{{name}}}" for name in everything.all("CloudWatch::Alarm"))


def test_no_row_is_wider_than_the_page(everything: Synthesised) -> None:
    rows: defaultdict[int, int] = defaultdict(int)
    for widget in widgets(everything):
        rows[widget["y"]] += widget["width"]
    assert set(rows.values()) == {24}


# --- queries ----------------------------------------------------------------------------------------------

ALIASES = re.compile(r"\bas (\w+)")
WORDS = re.compile(r"(?<![@\w])[a-z_]{2,}\b(?!\()")
LANGUAGE = {"fields", "filter", "stats", "sort", "limit", "asc", "desc", "by", "as"}


def queries(stack: Synthesised) -> dict[str, Any]:
    return {text(query["Name"]): query for query in stack.all("Logs::QueryDefinition").values()}


def test_three_questions_are_saved_in_a_folder_of_the_stacks_name(everything: Synthesised) -> None:
    assert queries(everything).keys() == {
        "${AWS::StackName}/What became of one text",
        "${AWS::StackName}/What fails or waits, and why",
        "${AWS::StackName}/How slow",
    }


def test_they_are_asked_of_all_functions_logs(everything: Synthesised) -> None:
    for query in queries(everything).values():
        assert sorted(map(refers_to, query["LogGroupNames"])) == sorted(everything.all("Logs::LogGroup"))


def test_they_read_fields_that_log_lines_have(everything: Synthesised) -> None:
    for name, query in queries(everything).items():
        words = re.sub(r'"[^"]*"', "", query["QueryString"])
        used = set(WORDS.findall(words)) - LANGUAGE - set(ALIASES.findall(words))
        assert used and used <= OF_A_TEXT | OF_POWERTOOLS, name
