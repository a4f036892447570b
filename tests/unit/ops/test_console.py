"""What commands print."""

from __future__ import annotations

import json

import pytest

from ops.console import Column, Output

ROWS = [{"text_key": "k1", "customer": "…0182", "attempts": 2, "new_chat": True, "reason": None}]
COLUMNS = [Column(name="text_key"), Column(name="attempts", right=True), Column(name="new_chat"), Column(name="reason")]


def test_rows_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    Output().rows(COLUMNS, ROWS)
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["text", "key", "attempts", "new", "chat", "reason"]
    assert row.split() == ["k1", "2", "yes"]


def test_rows_are_whole_json_objects_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).rows(COLUMNS, ROWS)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_what_is_for_people_is_not_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).say("nothing in failed")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("show_content", "shown"), [(False, "…0182"), (True, "+14255550182")])
def test_a_whole_number_is_shown_only_when_asked_for(show_content: bool, shown: str) -> None:
    assert Output(show_content=show_content).number("+14255550182") == shown
