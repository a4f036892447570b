"""Mutations of start-chat delivery: the transport, the chat sessions, and what the stack adds for them."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import BY_EVENTS, unit

_TESTS = "bridge/aws/test_start_chat.py::"
_REFUSED = "bridge/aws/test_refused_chats.py::"
_TABLE = "bridge/aws/test_chat_sessions.py::"
_FIRST = f"{_TESTS}test_the_first_text_starts_a_chat_connects_the_customer_and_is_sent_there"
_REPLACED = f"{_TESTS}test_a_text_for_an_ended_chat_starts_a_new_one_and_is_sent_there_once"
_OPEN = f"tests/unit/{_TESTS}test_later_texts_go_to_the_open_chat"
"""A control: it passes as long as no mutation affects the delivery without errors."""


def _once(call: str) -> str:
    return f"{_TESTS}test_a_lost_answer_opens_no_second_chat_and_shows_nothing_twice[{call}-message]"


_CLIENT_TOKENS = (
    unit(
        "client-token/start-without",
        (_once("start"), _FIRST),
        Edit("StartChat._start", '            "ClientToken": f"{sms.text_key}:{generation}",\n', ""),
        control=_OPEN,
    ),
    unit(
        "client-token/start-without-generation",
        f"{_TESTS}test_a_long_text_continues_in_new_chats_when_chats_end_between_parts",
        Edit("StartChat._start", 'f"{sms.text_key}:{generation}"', "sms.text_key"),
        control=_OPEN,
    ),
    unit(
        "client-token/start-without-text-key",
        f"{_TESTS}test_each_conversation_has_a_chat_of_its_own",
        Edit("StartChat._start", 'f"{sms.text_key}:{generation}"', 'f"{generation}"'),
        control=_OPEN,
    ),
    unit(
        "client-token/generation-not-raised",
        (_REPLACED, f"{_TESTS}test_a_long_text_continues_in_new_chats_when_chats_end_between_parts"),
        Edit(
            "StartChat.send",
            "generation=chat.generation + 1 if chat else 1",
            "generation=chat.generation if chat else 1",
        ),
        control=_OPEN,
    ),
    unit(
        "client-token/message-without",
        _once("send"),
        Edit("StartChat._send_message", "                ClientToken=request.client_token,\n", ""),
        control=_OPEN,
    ),
    unit(
        "client-token/message-without-part",
        f"{_TESTS}test_equal_parts_of_a_text_are_all_shown",
        Edit("PartRequest.client_token", 'f"{self.sms.text_key}-{self.number}"', "self.sms.text_key"),
        control=_OPEN,
    ),
    unit(
        "client-token/message-without-text-key",
        f"{_TESTS}test_later_texts_go_to_the_open_chat",
        Edit("PartRequest.client_token", 'f"{self.sms.text_key}-{self.number}"', 'f"{self.number}"'),
        control=BY_EVENTS,
    ),
    unit(
        "client-token/start-with-its-text-or-without",
        f"{_TESTS}test_a_text_is_shown_when_a_deploy_changes_first_text_after_a_lost_answer"
        "[start-message-initial-message]",
        Edit("StartChat._start", '            arguments["ClientToken"] += ":initial-message"\n', ""),
    ),
)

_ENDED = (
    unit(
        "ended-chat/denied-without-a-token",
        f"{_TESTS}test_access_denied_without_a_token_does_not_mean_an_ended_chat",
        Edit("StartChat._start_chat_contact", "                carries_token=False,\n", ""),
    ),
    unit(
        "ended-chat/any-error",
        f"{_TESTS}test_no_other_error_means_an_ended_chat",
        Edit(
            "StartChat._call", 'if carries_token and error_code(exc) == "AccessDeniedException":', "if carries_token:"
        ),
    ),
    unit(
        "ended-chat/not-seen",
        _REPLACED,
        Edit("StartChat._call", 'if carries_token and error_code(exc) == "AccessDeniedException":', "if False:"),
    ),
    unit(
        "ended-chat/text-not-sent-to-the-new-one",
        (_REPLACED, _FIRST),
        Edit(
            "StartChat._start",
            "            else:\n                self._send_message(request, chat)",
            "            else:\n                self._connected(request, chat)",
        ),
        control=BY_EVENTS,
    ),
    unit(
        "ended-chat/replaced-again-and-again",
        f"{_REFUSED}test_a_new_chat_that_accepts_nothing_is_blocked_and_not_replaced",
        Edit(
            "StartChat._record_end",
            "if chat.refused_at is not None and self._now() - chat.refused_at < over_after:",
            "if False:",
        ),
    ),
    unit(
        "ended-chat/not-of-a-chat-that-began-with-its-text",
        f"{_TESTS}test_a_chat_that_ended_before_the_customer_was_connected_is_replaced",
        Edit(
            "StartChat.send",
            "            try:\n"
            "                if chat.first_client_token != request.client_token:\n"
            "                    return self._send_message(request, chat)\n"
            "                self._connected(request, chat)"
            "  # the chat was started with this part; the customer may not be connected\n"
            "                return Accepted(chat.contact, new_chat=True)\n",
            "            if chat.first_client_token == request.client_token:\n"
            "                self._connected(request, chat)\n"
            "                return Accepted(chat.contact, new_chat=True)\n"
            "            try:\n"
            "                return self._send_message(request, chat)\n",
        ),
    ),
    unit(
        "disconnect-keyword/starts-a-chat",
        "bridge/texts/test_delivery.py::test_a_disconnect_keyword_without_an_open_chat_starts_none",
        Edit("TextDelivery.deliver", "opens_chat=not split.ends_chat", "opens_chat=True"),
    ),
    unit(
        "disconnect-keyword/chat-not-ended",
        f"{_TESTS}test_a_disconnect_ends_the_chat_and_the_next_text_starts_another",
        Edit(
            "StartChat.send",
            "return self._disconnect(request, chat)",
            "return Accepted(chat.contact if chat else None)",
        ),
    ),
    unit(
        "disconnect-keyword/refused-by-a-chat-that-is-over",
        f"{_TESTS}test_a_rejected_disconnect_means_that_no_chat_is_open",
        Edit(
            "StartChat.send",
            "            except (RejectedError, NotFoundError):\n                return NoOpenChat()\n",
            "            except (RejectedError, NotFoundError):\n                raise\n",
        ),
    ),
)

_REFUSED_CHATS = tuple(
    unit(f"refused-chat/{name}", f"{_REFUSED}{test}", Edit(*edit), control=_OPEN)
    for name, test, edit in (
        (
            "left-open",
            "test_a_new_chat_that_accepts_nothing_is_ended_where_that_is_allowed",
            (
                "StartChat._start",
                "            self._end_refused(request, chat)\n",
                "            self._chats.record_refusal(sms.conversation_id, chat.contact)\n",
            ),
        ),
        (
            "not-ended-later",
            "test_a_refused_chat_is_ended_by_a_later_attempt_where_the_first_could_not",
            ("StartChat._record_end", "            self._end_refused(request, chat)\n", ""),
        ),
        (
            "kept-for-ever",
            "test_a_refused_chat_is_replaced_after_its_duration",
            ("StartChat._record_end", "self._now() - chat.refused_at < over_after", "over_after"),
        ),
        (
            "kept-after-its-end",
            "test_a_new_chat_that_ends_at_once_is_replaced_once_connect_says_so",
            ("StartChat.send", "if chat and not chat.ended:", "if chat and (chat.refused_at or not chat.ended):"),
        ),
        (
            "each-refusal-is-the-first",
            "test_a_refused_chat_is_replaced_after_its_duration",
            ("ChatSessions.record_refusal", "if_not_exists(refused_at, :now)", ":now"),
        ),
        (
            "acceptance-not-recorded",
            "test_a_refused_chat_that_accepted_something_since_ends_like_any_other",
            ("StartChat._send_message", "        if chat.refused_at:\n", "        if False:\n"),
        ),
        (
            "closed-by-a-keyword",
            "test_a_disconnect_does_not_close_a_chat_that_accepts_nothing",
            (
                "StartChat._disconnect",
                "            self._record_end(request, chat, exc)\n",
                "            self._chats.record_end(request.sms.conversation_id, chat.contact)\n",
            ),
        ),
    )
)

_CHAT = (
    unit(
        "connection/not-renewed",
        f"{_TESTS}test_an_expiring_connection_token_is_replaced",
        Edit(
            "StartChat._connected",
            "if chat.connection_token and chat.token_expires_at - self._now() > _RENEW_SECONDS:",
            "if chat.connection_token:",
        ),
    ),
    unit(
        "connection/renewed-too-late",
        f"{_TESTS}test_an_expiring_connection_token_is_replaced[23.5]",
        Edit("_RENEW_SECONDS", "_RENEW_SECONDS = 3600.0", "_RENEW_SECONDS = 0.0"),
    ),
    unit(
        "connection/customer-not-connected",
        _FIRST,
        Edit("StartChat._connected", "ConnectParticipant=True", "ConnectParticipant=False"),
    ),
    unit(
        "start-chat/not-streamed",
        _FIRST,
        Edit(
            "StartChat._start",
            '            "ChatStreamingConfiguration": {"StreamingEndpointArn": self._topic},\n',
            "",
        ),
    ),
    unit(
        "start-chat/body-in-an-attribute",
        _FIRST,
        Edit(
            "StartChat._start",
            '"Attributes": dict(request.session.attributes),',
            '"Attributes": dict(request.session.attributes) | {"body": request.sms.body},',
        ),
        control=_OPEN,
    ),
    unit(
        "start-chat/without-its-channel",
        "bridge/texts/test_delivery.py::test_a_start_chat_number_is_retried_where_the_function_cannot_start_chats",
        Edit(
            "TextDelivery._send",
            "self._transports.get(request.route.delivery)",
            'self._transports.get(request.route.delivery, self._transports["integration-event"])',
        ),
    ),
    unit(
        "start-chat/by-the-other-api",
        "bridge/texts/test_delivery.py::test_a_text_goes_through_the_transport_of_its_number_only[start-chat]",
        Edit("TextDelivery._send", "get(request.route.delivery)", 'get("integration-event")'),
        control=BY_EVENTS,
    ),
    unit(
        "initial-message/sent-again",
        f"{_TESTS}test_a_text_sent_as_initial_message_is_not_sent_again",
        Edit("StartChat.send", "if chat.first_client_token != request.client_token:", "if True:"),
    ),
    unit(
        "initial-message/not-recorded-as-sent",
        f"{_TESTS}test_a_text_sent_as_initial_message_is_not_sent_again",
        Edit(
            "ChatSessions.record_start",
            '            item["first"] = {"S": chat.first_client_token}\n',
            "            pass\n",
        ),
    ),
    unit(
        "options/number-not-mapped-back",
        f"{_TESTS}test_the_number_of_an_option_is_sent_as_its_title_until_the_next_reply",
        Edit("StartChat._send_message", "chosen = self._chosen_option(request.part.content, chat)", "chosen = None"),
    ),
    unit(
        "options/withdrawn-by-a-choice",
        f"{_TESTS}test_the_number_of_an_option_is_sent_as_its_title_until_the_next_reply",
        Edit(
            "StartChat._send_message",
            "        if chat.refused_at:\n",
            "        if chosen:\n            self._chats.save_options(chat.contact, ())\n        if chat.refused_at:\n",
        ),
    ),
    unit(
        "options/offered-for-ever",
        "bridge/replies/test_delivery.py::test_the_next_reply_withdraws_the_options",
        Edit("ReplyDelivery.deliver", "options != claim.participants.options", "options"),
    ),
)

_PACES = (
    *(
        unit(
            f"start-chat-pacing/{name}",
            f"{_TESTS}test_customers_are_connected_and_disconnected_within_connects_rates[{name}]",
            Edit(place, f"limiter=self._{name}_limiter", "limiter=self._message_limiter"),
        )
        for name, place in {
            "connection": "StartChat._connected",
            "disconnect": "StartChat._disconnect_participant",
        }.items()
    ),
    unit(
        "start-chat-pacing/not-told-of-429",
        f"{_TESTS}test_a_429_lowers_the_rate_of_the_operation_called_alone",
        Edit("RateLimiter.call", "            if new:\n                self.throttled()\n", ""),
    ),
    unit(
        "start-chat-pacing/one-for-all",
        f"{_TESTS}test_each_operation_of_connect_has_a_rate_limiter",
        Edit("_start_chat", "limits.start_chat_rate", "limits.message_rate"),
    ),
)

_OPEN_CHATS = (
    unit(
        "open-chats/late-end-closes-the-newer-one",
        f"{_TABLE}test_the_late_end_of_an_old_chat_leaves_the_newer_one_open",
        Edit(
            "ChatSessions.record_end",
            '            "contact = :contact",\n            {":true"',
            '            "attribute_exists(chat_key)",\n            {":true"',
        ),
    ),
    unit(
        "open-chats/older-one-takes-its-place",
        f"{_TABLE}test_an_older_chat_never_replaces_a_newer_one",
        Edit(
            "ChatSessions.record_start",
            "            item,\n            ConditionExpression=",
            '            item,\n            ConditionExpression="attribute_not_exists(nothing) OR "\n            ',
        ),
    ),
    unit(
        "open-chats/another-chats-connection",
        f"{_TABLE}test_the_connection_to_an_old_chat_is_not_saved_for_the_newer_one",
        Edit(
            "ChatSessions.record_connection",
            '            "contact = :contact",\n            {\n                ":token"',
            '            "attribute_exists(chat_key)",\n            {\n                ":token"',
        ),
    ),
    unit(
        "open-chats/read-not-consistent",
        f"{_TABLE}test_chat_sessions_are_read_consistently",
        Edit("ChatSessions._get", ", ConsistentRead=True", ""),
        control=BY_EVENTS,
    ),
    *(
        unit(
            f"open-chats/{name}",
            f"{_TABLE}test_chat_sessions_expire_after_the_longest_chat",
            Edit(*edit),
        )
        for name, edit in {
            "expiry-is-text": ("ChatSessions.record_start", 'expires = {"N": ', 'expires = {"S": '),
            "expiry-in-milliseconds": (
                "ChatSessions.record_start",
                "int(self._now()) + KEEP_SECONDS",
                "int(self._now()) * 1000 + KEEP_SECONDS",
            ),
            "forgotten-too-soon": ("chat_sessions.KEEP_SECONDS", "KEEP_SECONDS = 8 *", "KEEP_SECONDS = 6 *"),
        }.items()
    ),
    unit(
        "redaction/printed-tokens",
        f"{_TESTS}test_the_repr_of_a_chat_session_holds_no_token",
        Edit("ChatSession", "participant_token: str = field(repr=False)", "participant_token: str"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_CLIENT_TOKENS, *_ENDED, *_REFUSED_CHATS, *_CHAT, *_PACES, *_OPEN_CHATS)
