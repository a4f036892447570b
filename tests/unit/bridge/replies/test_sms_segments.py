"""Text messages: each within the limit of its alphabet, and nothing lost between two of them."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.replies.sms_segments import GSM_LIMIT, OTHER_LIMIT, gsm_length, messages

# The tables of "SMS character limits" in the AWS End User Messaging SMS user guide, row by row: another listing than
# the module's, which follows the code points of GSM 03.38.
STANDARD = (
    "ABCDEFGHIJKLM NOPQRSTUVWXYZ abcdefghijklm nopqrstuvwxyz àÅåÄäÇÉéèìÑñò ØøÖöùÜüÆæß012 3456789&*@:,¤ $=!>#-¡¿(<%.+ "
    "£?\")§;'/_¥ΔΦΓ ΛΩΠΨΣΘΞ"
).replace(" ", "") + " \n\r"
TWICE = "^{}\\[]~|€\f"
FAMILY = "👨‍👩‍👧‍👦"
pieces = st.sampled_from(
    ["a", "word ", " ", "\n", "é", "e\u0301", "€", "{", "[]", "ç", "漢", "😀", FAMILY, "🇩🇪", "\ud800", "\u00a0", "\f"]
    + ["x" * 300, "€" * 300, "漢" * 200, "😀" * 120, "word " * 80]
)
replies = st.one_of(st.text(max_size=400), st.lists(pieces, max_size=40).map("".join))


def carried(message: str) -> bool:
    """Counted by AWS's tables, independently of the code."""
    if all(character in STANDARD + TWICE for character in message):
        return sum(2 if character in TWICE else 1 for character in message) <= 1530
    return len(message.encode("utf-16-le")) // 2 <= 630


def test_the_alphabet_is_the_one_that_aws_lists() -> None:
    in_one = {character for character in map(chr, range(0x3000)) if gsm_length(character) == 1}
    in_two = {character for character in map(chr, range(0x3000)) if gsm_length(character) == 2}
    assert (in_one, in_two) == (set(STANDARD), set(TWICE))
    assert len(in_one) == 127, "128 code points, one of them the escape to the extension table"


@settings(deadline=None)
@given(replies)
@example("a" * 1531)
@example("€" * 765 + "a")
@example("a" * 900 + "漢")
def test_messages_join_to_the_reply_and_each_is_within_its_alphabets_limit(reply: str) -> None:
    parts = messages(reply)
    whole = reply.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    at = 0
    for part in parts:
        found = whole.index(part, at)
        assert not whole[at:found].strip(), "more than white space is left out"
        at = found + len(part)
    assert not whole[at:].strip()
    assert all(map(carried, parts))
    assert all(part.strip() for part in parts), "a blank message is refused"


@settings(deadline=None)
@given(replies)
def test_no_cut_falls_inside_a_grapheme(reply: str) -> None:
    whole = reply.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    parts = messages(reply)
    if "".join(parts) != whole or any(not carried(grapheme) for grapheme in regex.findall(r"\X", whole)):
        return
    boundaries, at = {0}, 0
    for grapheme in regex.findall(r"\X", whole):
        boundaries.add(at := at + len(grapheme))
    at = 0
    for part in parts:
        at += len(part)
        assert at in boundaries


@pytest.mark.parametrize(
    ("reply", "lengths"),
    [
        ("a" * 1530, [1530]),
        ("a" * 1531, [1530, 1]),
        ("€" * 765, [765]),
        ("€" * 766, [765, 1]),
        ("漢" * 630, [630]),
        ("漢" * 631, [630, 1]),
        ("😀" * 315, [315]),
        ("😀" * 316, [315, 1]),
        ("ç" + "a" * 629, [630]),
        ("ç" + "a" * 630, [630, 1]),
    ],
)
def test_a_message_holds_exactly_what_aws_says(reply: str, lengths: list[int]) -> None:
    assert [len(part) for part in messages(reply)] == lengths


def test_a_family_emoji_is_not_cut() -> None:
    assert messages(FAMILY * 60) == (FAMILY * (OTHER_LIMIT // 11), FAMILY * 3)


def test_a_reply_is_cut_at_a_word() -> None:
    reply = "word " * 400
    first, second = messages(reply)
    assert first.endswith(" ") and first + second == reply
    assert len(first) == GSM_LIMIT


def test_plain_words_before_an_emoji_keep_the_longer_limit() -> None:
    first, second = messages("word " * 200 + "😀" * OTHER_LIMIT)[:2]
    assert first == "word " * 200
    assert second.startswith("😀")


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "\u00a0"])
def test_a_blank_reply_is_no_message(blank: str) -> None:
    assert messages(blank) == ()


def test_a_blank_stretch_longer_than_a_message_is_left_out() -> None:
    assert [part.strip() for part in messages("a" + " " * 4000 + "b")] == ["a", "b"]
