"""Mutations of what Connect streams: which events are for the phone, and what is read of them."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import refused_with_replies, unit, with_replies

_SENT = "tests/unit/bridge/replies/test_delivery.py::test_a_link_that_cannot_be_requested_is_left_out"
_STREAMED = "lambda/bridge/replies/chat_events.py"
_SEEN_BY = '            "MessageVisibility": [*_FOR_THE_PHONE, {"exists": False}],\n'
_OF_KIND = '            "ContentType": [{"anything-but": {"prefix": _EVENT}}, {"exists": False}],\n'
_FILES = "bridge/replies/test_chat_events.py::test_a_file_reaches_the_phone_whatever_its_attributes_call_it"
_BY_OTHERS = '            "ParticipantRole": [{"anything-but": [_CUSTOMER_ROLE]}],\n'


def _reply(name: str, test: str | tuple[str, ...], *edits: Edit) -> Mutation:
    return unit(name, test, *edits, control=_SENT)


_FOR_THE_PHONE = (
    _reply(
        "reply-filter/customers-echoes",
        "bridge/replies/test_chat_events.py::test_the_filter_drops_the_customers_echoes_and_passes_the_end_of_a_chat",
        Edit(_STREAMED, _BY_OTHERS, ""),
    ),
    _reply(
        "reply-filter/for-other-eyes",
        "bridge/replies/test_chat_events.py::test_the_filter_drops_internal_messages",
        Edit(_STREAMED, _SEEN_BY, ""),
    ),
    _reply(
        "reply-filter/without-visibility",
        "bridge/replies/test_chat_events.py::test_a_message_that_does_not_say_who_may_see_it_passes_the_filter",
        Edit(_STREAMED, _SEEN_BY, '            "MessageVisibility": list(_FOR_THE_PHONE),\n'),
    ),
    _reply(
        "replies/sent-whoever-may-see-it",
        "bridge/test_reply_intake.py::test_intake_fails_a_message_that_does_not_say_who_may_see_it",
        Edit(_STREAMED, "if visibility is None and not file:", "if False:"),
    ),
    _reply(
        "reply-filter/events",
        "bridge/replies/test_chat_events.py::test_the_filter_drops_the_customers_echoes_and_passes_the_end_of_a_chat",
        Edit(_STREAMED, _OF_KIND, ""),
    ),
    _reply(
        "reply-filter/files-by-their-type",
        f"{_FILES}[ALL-text/plain-EVENT]",
        Edit(_STREAMED, _OF_KIND, f'{_OF_KIND}            "Type": ["MESSAGE", "ATTACHMENT"],\n'),
    ),
    _reply(
        "reply-filter/files-by-their-content-type",
        f"{_FILES}[ALL-content_type0-ATTACHMENT]",
        Edit(_STREAMED, _OF_KIND, _OF_KIND.replace(', {"exists": False}', "")),
    ),
    _reply(
        "replies/file-by-its-type-only", f"{_FILES}[ALL-text/plain-EVENT]", Edit("_kind", " or _has_files(item)", "")
    ),
    _reply(
        "reply-filter/not-the-end-of-a-chat",
        "bridge/replies/test_chat_events.py::test_the_filter_drops_the_customers_echoes_and_passes_the_end_of_a_chat",
        Edit("FILTER_POLICY", '        {"ContentType": [CHAT_ENDED]},\n', ""),
    ),
    refused_with_replies(
        "reply-filter/two-keys-more",
        "has 6 keys, counted in each branch",
        Edit(
            _STREAMED,
            '{"ContentType": [CHAT_ENDED]},',
            '{"ContentType": [CHAT_ENDED], "Type": ["EVENT"], "MessageVisibility": [{"exists": False}]},',
        ),
    ),
    with_replies(
        "reply-filter/none",
        Edit("StartChatDelivery.__init__", "filter_policy=FILTER_POLICY", "filter_policy=None"),
        "test_reply_intake_gets_filtered_messages_and_has_a_dead_letter_queue",
    ),
    _reply(
        "replies/customers-echo-is-sent",
        "bridge/replies/test_chat_events.py::test_echoes_receipts_and_internal_messages_are_ignored[of0-ALL]",
        Edit("_kind", '    if role == _CUSTOMER_ROLE:\n        return "nothing"\n', ""),
    ),
    _reply(
        "replies/for-other-eyes-is-sent",
        "bridge/replies/test_chat_events.py::test_echoes_receipts_and_internal_messages_are_ignored[of1-AGENT]",
        Edit(
            "_kind",
            'return "reply" if visibility is None or visibility in _FOR_THE_PHONE else "nothing"',
            'return "reply"',
        ),
    ),
    _reply(
        "replies/chat-ends-when-somebody-leaves",
        (
            "bridge/replies/test_chat_events.py::test_echoes_receipts_and_internal_messages_are_ignored[of4-ALL]",
            "bridge/replies/test_delivery.py::test_an_event_that_is_not_for_the_phone_is_ignored[of0]",
        ),
        Edit(
            "_kind",
            'if item.get("ContentType") == CHAT_ENDED:',
            'if str(item.get("ContentType")).endswith((".chat.ended", ".participant.left")):',
        ),
    ),
    _reply(
        "replies/end-of-a-chat-not-recorded",
        "bridge/replies/test_delivery.py::test_the_end_of_a_chat_is_recorded_after_the_replies_before_it",
        Edit("ReplyDelivery.deliver", "            self._chats.end(contact)\n", ""),
    ),
)

MUTATIONS: tuple[Mutation, ...] = _FOR_THE_PHONE
