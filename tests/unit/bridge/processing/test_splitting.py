"""A split loses nothing and cuts no character."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.processing.splitting import split, utf16_length


@pytest.mark.parametrize("grapheme", ["e\u0301", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️"])
def test_no_grapheme_is_cut_at_any_limit(grapheme: str) -> None:
    length = utf16_length(grapheme)
    for limit in range(length, 4 * length):
        for part in split(grapheme * 20, limit):
            assert part == grapheme * (limit // length) or part == grapheme * (20 % (limit // length))


FAMILY, FLAGS, THUMB = "👨‍👩‍👧‍👦", "🇩🇪🇫🇷🇯🇵", "👍🏽"
pieces = st.sampled_from(
    [
        "a",
        "word ",
        " ",
        "\n",
        "\r\n",
        "é",
        "e\u0301",
        "z\u0335\u0310",
        FAMILY,
        "🇩🇪",
        "🇫",
        THUMB,
        "❤️",
        "\u200d",
        "한",
        "नि",
        "漢",
    ]
    + ["\ufe0f", "\U0001f3fd", "\u1112\u1161\u11ab", "க்ஷி", "\u00a0", "\u202f", "\ud800", "\u0600"]
)
texts = st.one_of(st.text(max_size=400), st.lists(pieces, max_size=200).map("".join))


@settings(deadline=None)  # the first long text loads the tables of Unicode
@given(texts, st.integers(2, 60))
@example("x" * 1025, 1024)
def test_parts_joined_are_the_text_and_none_is_too_long(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert "".join(parts) == text
    assert all(utf16_length(part) <= limit for part in parts)
    assert len(parts) == 1 or all(parts)


@given(st.lists(pieces, min_size=1, max_size=200).map("".join), st.integers(40, 120))
def test_no_cut_falls_inside_a_grapheme_that_fits(text: str, limit: int) -> None:
    """Compared with \\X of the regex module, an independent implementation of Unicode's annex 29."""
    graphemes = regex.findall(r"\X", text)
    if any(utf16_length(grapheme) > limit for grapheme in graphemes):
        return
    boundaries, at = {0}, 0
    for grapheme in graphemes:
        at += len(grapheme)
        boundaries.add(at)
    at = 0
    for part in split(text, limit):
        at += len(part)
        assert at in boundaries


def test_a_text_that_fits_is_one_part() -> None:
    assert split("x" * 1024, 1024) == ("x" * 1024,)
    assert split("", 1024) == ("",)


def test_length_is_counted_in_utf16_code_units() -> None:
    assert utf16_length("a漢😀") == 4
    assert [len(part) for part in split("😀" * 600, 1024)] == [512, 88]


def test_the_cut_is_after_the_last_white_space_that_fits() -> None:
    assert split("one two three", 9) == ("one two ", "three")


def test_a_no_break_space_is_no_place_to_cut() -> None:
    assert split("aa bbb\u00a0ccc", 9) == ("aa ", "bbb\u00a0ccc")


@pytest.mark.parametrize("grapheme", ["e\u0301", FAMILY, THUMB, "🇩🇪", "❤️"])
def test_a_word_longer_than_a_message_is_cut_between_graphemes(grapheme: str) -> None:
    limit = 2 * utf16_length(grapheme) + 1
    assert split(grapheme * 5, limit) == (grapheme * 2, grapheme * 2, grapheme)


def test_a_grapheme_longer_than_a_message_is_cut_hard_and_not_lost() -> None:
    zalgo = "e" + "\u0301" * 50
    assert "".join(split(zalgo, 10)) == zalgo


def test_sixteen_hundred_characters_are_two_messages_cut_between_words() -> None:
    text = ("A sentence of a long story. " * 60)[:1600]
    first, second = split(text, 1024)
    assert first.endswith(" ") and first + second == text


def test_a_limit_that_holds_no_character_is_refused() -> None:
    with pytest.raises(ValueError, match="limit of 1"):
        split("x", 1)


@pytest.mark.parametrize(("character", "units"), [("\u007f", 1), ("\uffff", 1), ("\U00010000", 2), ("\U0010ffff", 2)])
def test_a_character_beyond_the_first_plane_is_two_code_units(character: str, units: int) -> None:
    assert utf16_length(character) == units == len(character.encode("utf-16-le")) // 2
