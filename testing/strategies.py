"""Hypothesis strategies for contents of notifications, valid or not."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from testing.builders import BUSINESS_NUMBER, CUSTOMER
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
_TEXT_FIELDS = ["originationNumber", "destinationNumber", "messageKeyword", "messageBody", "inboundMessageId"]
_text_values = json_values | st.sampled_from([CUSTOMER, BUSINESS_NUMBER, "STOP", "x" * 3000, "\ud800"])
messages = st.one_of(
    st.text(),
    json_values.map(json.dumps),
    st.dictionaries(st.sampled_from([*_TEXT_FIELDS, "previousPublishedMessageId"]), _text_values).map(json.dumps),
    st.fixed_dictionaries(
        {"originationNumber": st.just(CUSTOMER), "destinationNumber": st.just(BUSINESS_NUMBER)},
        optional=dict.fromkeys(_TEXT_FIELDS[2:], _text_values),
    ).map(json.dumps),
)
"""Text notifications, nearly all of them malformed."""
