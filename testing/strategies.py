"""Hypothesis strategies for contents of notifications, valid or not."""

from __future__ import annotations

from hypothesis import strategies as st

from testing.chat_events import CHAT

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ITEM_FIELDS = ("Type", "ParticipantRole", "MessageVisibility", "InitialContactId", "Id", "Content", "ContentType")
"""Fields that decide the type of a chat event."""
item_words = st.sampled_from(
    ["MESSAGE", "EVENT", "ATTACHMENT", "AGENT", "CUSTOMER", "ALL", CHAT, "\ud800", "text/plain"]
)
items = st.dictionaries(st.sampled_from([*ITEM_FIELDS, "AbsoluteTime", "Attachments"]), json_values | item_words)
"""Chat events, nearly all of them malformed."""
