"""Interactive messages as text, and the options that numbers select; no message of a bot raises an error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.replies.interactive import UNREADABLE, attachment_line, choice, render


def template(kind: str, **content: Any) -> dict[str, Any]:
    return {
        "templateType": kind,
        "version": "1.0",
        "data": {"replyMessage": {"title": "Thanks for selecting!"}, "content": content},
    }


FRUIT = template(
    "ListPicker",
    title="What would you like?",
    subtitle="Tap to select",
    imageType="URL",
    imageData="https://example.com/fruit.jpg",
    elements=[{"title": "Apple", "subtitle": "$1.00"}, {"title": "Orange"}],
)
TIMES = template(
    "TimePicker",
    title="When?",
    location={"title": "Main street", "latitude": 47.6},
    timezoneOffset=-420,
    timeslots=[{"date": "2026-11-23T17:00+00:00", "duration": 60}, {"date": "some day"}],
)
PANEL = template("Panel", title="More?", elements=[{"title": "Yes"}, {"title": "No"}])
QUICK = template("QuickReply", title="How was it?", elements=[{"title": "Good"}, {"title": "Bad"}])
CAROUSEL = template("Carousel", title="Choose one", elements=[FRUIT | {"templateIdentifier": "one"}, PANEL])


@pytest.mark.parametrize(
    ("message", "shown", "options"),
    [
        (FRUIT, "What would you like?\nTap to select\n1. Apple ($1.00)\n2. Orange", ("Apple", "Orange")),
        (
            TIMES,
            "When?\nMain street\n1. 2026-11-23 10:00\n2. some day",
            ("2026-11-23T17:00+00:00", "some day"),
        ),
        (PANEL, "More?\n1. Yes\n2. No", ("Yes", "No")),
        (QUICK, "How was it?\n1. Good\n2. Bad", ("Good", "Bad")),
        (
            CAROUSEL,
            "Choose one\n\nWhat would you like?\nTap to select\n1. Apple ($1.00)\n2. Orange\n\nMore?\n3. Yes\n4. No",
            ("Apple", "Orange", "Yes", "No"),
        ),
    ],
    ids=["list", "time", "panel", "quick", "carousel"],
)
def test_every_template_is_its_title_and_its_numbered_options(
    message: dict[str, Any], shown: str, options: tuple[str, ...]
) -> None:
    assert render(json.dumps(message)) == (shown, options)


def test_an_unknown_template_is_shown_the_same_way() -> None:
    message = json.dumps(template("Novelty", title="New", elements=[{"title": "One"}]))
    assert render(message) == ("New\n1. One", ("One",))


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("just words", "just words"),
        ('"quoted"', "quoted"),
        ('{"templateType": "ListPicker", "data": {"con', UNREADABLE),
        ("{}", UNREADABLE),
        ("", UNREADABLE),
        ("[" * 100_000, UNREADABLE),
        (
            json.dumps(
                {"data": {"replyMessage": {"title": "Thanks"}, "body": {"title": "Hi", "x": [{"text": "you"}]}}}
            ),
            "Hi\nyou",
        ),
        (json.dumps({"data": {"content": {"title": 7, "elements": "none"}}, "label": "Read me"}), "Read me"),
    ],
)
def test_a_message_without_a_template_is_its_readable_text_or_one_clear_line(content: str, shown: str) -> None:
    assert render(content) == (shown, ())


def test_an_element_without_a_title_is_no_option_and_takes_no_number() -> None:
    message = json.dumps(template("Panel", title="More?", elements=[{}, None, {"title": " "}, {"title": "Yes"}]))
    assert render(message) == ("More?\n1. Yes", ("Yes",))


@pytest.mark.parametrize(
    ("offset", "shown"),
    [(0, "17:00"), (60, "18:00"), (None, "17:00"), ("x", "17:00"), (10**9, "T17:00+00:00")],
)
def test_a_time_is_shown_at_the_offset_of_its_template(offset: object, shown: str) -> None:
    slots = [{"date": "2026-11-23T17:00+00:00"}]
    assert render(json.dumps(template("TimePicker", timeslots=slots, timezoneOffset=offset)))[0].endswith(shown)


@pytest.mark.parametrize("answer", ["2", " 2. ", "2)", "2.", "02", "\n2\n"])
def test_a_number_selects_the_option_it_stands_before(answer: str) -> None:
    assert choice(answer, ("Apple", "Orange")) == "Orange"


@pytest.mark.parametrize(
    "answer", ["", "0", "3", "-1", "two", "2 apples", "2 or 1", "1.5", "2))", "(2)", "#2", "²", "२", "2 )", "9" * 5000]
)
def test_anything_else_is_no_choice(answer: str) -> None:
    assert choice(answer, ("Apple", "Orange")) is None


def test_without_options_a_number_is_a_number() -> None:
    assert choice("1", ()) is None


LONG_LINK = "https://example.com/" + "x" * 1400
"""As long as a signed link: it fits into a text message of the GSM alphabet only."""


@pytest.mark.parametrize(
    ("name", "content_type", "link", "line"),
    [
        ("bill.pdf", "application/pdf", None, "[File: bill.pdf]"),
        ("", "image/png", None, "[File: image/png]"),
        ("", None, None, "[A file]"),
        ("bill.pdf", None, "https://example.com/1", "[File: bill.pdf] https://example.com/1 (for 5 minutes)"),
        ("bill.pdf", None, LONG_LINK, f"[File: bill.pdf] {LONG_LINK} (for 5 minutes)"),
        ("Rechnung für 🚲.pdf", None, LONG_LINK, "[File: Rechnung für 🚲.pdf]"),
        ("bill.pdf", None, "https://example.com/" + "x" * 2000, "[File: bill.pdf]"),
        ("two\nlines.txt", None, " ", "[File: two lines.txt]"),
    ],
)
def test_a_file_is_one_line_that_says_what_was_sent(
    name: str, content_type: str | None, link: str | None, line: str
) -> None:
    assert attachment_line(name, content_type=content_type, link=link) == line


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "content", "title", "subtitle", "elements", "timeslots", "date", "location"])
            | st.sampled_from(["timezoneOffset", "replyMessage", "text", "other"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=30,
)


@given(st.text() | json_values.map(json.dumps))
def test_any_interactive_message_has_text_and_a_number_for_each_option(
    content: str,
) -> None:
    shown, options = render(content)[0], render(content)[1]
    assert shown.strip() or not content.strip() or not content.strip('" ')
    for number, option in enumerate(options, 1):
        assert f"{number}. " in shown
        assert choice(str(number), options) == option


@given(st.text(), st.lists(st.text(), max_size=12).map(tuple))
def test_any_answer_is_one_of_the_options_or_none(answer: str, options: tuple[str, ...]) -> None:
    chosen = choice(answer, options)
    assert chosen is None or chosen in options
