"""What is taken out of start-chat delivery: the way into the chat, the open chats, what the stack adds for them."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import BY_EVENTS, unit

_TESTS = "test_start_chat.py::"
_TABLE = "test_chats.py::"
_FIRST = f"{_TESTS}test_the_first_text_starts_a_chat_connects_the_customer_and_is_sent_there"
_REPLACED = f"{_TESTS}test_a_chat_that_has_ended_is_replaced_by_a_new_one_and_the_text_is_sent_there_once"
_OPEN = f"tests/unit/{_TESTS}test_later_texts_go_to_the_open_chat"
"""Passes whatever is taken out that is not needed while all goes well."""


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
        f"{_TESTS}test_a_long_text_whose_chats_end_between_its_parts_goes_on_in_new_ones",
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
        (_REPLACED, f"{_TESTS}test_a_long_text_whose_chats_end_between_its_parts_goes_on_in_new_ones"),
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
        f"{_TESTS}test_a_text_is_shown_also_when_a_deploy_changed_how_chats_begin_after_a_lost_answer"
        "[start-message-initial-message]",
        Edit("StartChat._start", '            arguments["ClientToken"] += ":initial-message"\n', ""),
    ),
)

_ENDED = (
    unit(
        "ended-chat/denied-without-a-token",
        f"{_TESTS}test_access_denied_without_a_token_is_somebodys_configuration_and_no_ended_chat",
        Edit("StartChat._start", "            carries_token=False,\n", ""),
    ),
    unit(
        "ended-chat/any-error",
        f"{_TESTS}test_no_other_answer_is_taken_for_an_ended_chat",
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
        f"{_TESTS}test_a_new_chat_that_is_over_at_once_is_blocked_and_not_replaced_again_and_again",
        Edit(
            "StartChat._start",
            'raise AccessRefusedError("Connect ended a new chat before the customer could be connected to it")',
            "return self._start(request, generation=generation + 1)\n            raise BridgeError",
        ),
    ),
    unit(
        "ended-chat/not-of-a-chat-that-began-with-its-text",
        f"{_TESTS}test_a_chat_that_began_with_its_text_and_ended_before_the_customer_was_connected_is_replaced",
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
        f"{_TESTS}test_a_refused_disconnect_is_a_chat_that_is_not_open",
        Edit(
            "StartChat.send",
            "            except (RejectedError, NotFoundError):\n                return NoOpenChat()\n",
            "            except (RejectedError, NotFoundError):\n                raise\n",
        ),
    ),
)

_CHAT = (
    unit(
        "connection/not-renewed",
        f"{_TESTS}test_a_chat_that_outlives_its_connection_token_goes_on_with_another_one",
        Edit(
            "StartChat._connected",
            "if chat.connection_token and chat.token_expires_at - self._now() > _RENEW_SECONDS:",
            "if chat.connection_token:",
        ),
    ),
    unit(
        "connection/renewed-too-late",
        f"{_TESTS}test_a_chat_that_outlives_its_connection_token_goes_on_with_another_one[23.5]",
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
        "test_delivery.py::test_a_number_with_start_chat_delivery_is_held_where_the_function_cannot_start_chats",
        Edit(
            "TextDelivery._send",
            "self._transports.get(request.route.delivery)",
            'self._transports.get(request.route.delivery, self._transports["integration-event"])',
        ),
    ),
    unit(
        "start-chat/by-the-other-api",
        "test_delivery.py::test_a_text_goes_the_way_that_its_number_has_and_no_other_way[start-chat]",
        Edit("TextDelivery._send", "get(request.route.delivery)", 'get("integration-event")'),
        control=BY_EVENTS,
    ),
    unit(
        "initial-message/sent-again",
        f"{_TESTS}test_the_text_that_starts_a_chat_can_go_with_its_start_and_is_not_sent_again",
        Edit("StartChat.send", "if chat.first_client_token != request.client_token:", "if True:"),
    ),
    unit(
        "initial-message/not-noted-as-sent",
        f"{_TESTS}test_the_text_that_starts_a_chat_can_go_with_its_start_and_is_not_sent_again",
        Edit(
            "ChatSessions.record_start",
            '            item["first"] = {"S": chat.first_client_token}\n',
            "            pass\n",
        ),
    ),
    unit(
        "options/number-not-mapped-back",
        f"{_TESTS}test_a_number_is_the_option_that_was_offered_and_only_once",
        Edit("StartChat._send_message", "chosen = self._chosen_option(request.part.content, chat)", "chosen = None"),
    ),
    unit(
        "options/offered-for-ever",
        f"{_TESTS}test_a_number_is_the_option_that_was_offered_and_only_once",
        Edit(
            "StartChat._send_message", "            self._chats.save_options(chat.contact, ())\n", "            pass\n"
        ),
    ),
)

_PACES = (
    *(
        unit(
            f"start-chat-pacing/{name}",
            f"{_TESTS}test_chats_are_started_connected_and_ended_no_faster_than_connect_allows[{name}]",
            Edit("StartChat", *edit),
        )
        for name, edit in {
            "start": ("            limiter=self._start_limiter,\n", ""),
            "connection": ("            limiter=self._connection_limiter,\n", ""),
            "disconnect": ("                limiter=self._disconnect_limiter,\n", ""),
        }.items()
    ),
    unit(
        "start-chat-pacing/not-told-of-429",
        f"{_TESTS}test_a_429_halves_the_pace_of_what_was_called",
        Edit("StartChat._call", "                limiter.throttled()\n", "                pass\n"),
    ),
    unit(
        "start-chat-pacing/messages-at-the-other-pace",
        "test_delivery.py::"
        "test_texts_for_which_there_is_no_turn_wait_a_little_longer_each_few_times_and_are_never_given_up_for_it"
        "[start-chat]",
        Edit(
            "TextDelivery._send",
            "rate_limiter=transport.rate_limiter",
            'rate_limiter=self._transports["integration-event"].rate_limiter',
        ),
    ),
    unit(
        "start-chat-pacing/one-for-all",
        f"{_TESTS}test_each_of_connects_apis_has_a_pace_of_its_own",
        Edit("_start_chat", "limits.start_chat_rate", "limits.message_rate"),
    ),
)

_OPEN_CHATS = (
    unit(
        "open-chats/late-end-closes-the-newer-one",
        f"{_TABLE}test_a_late_word_that_an_old_chat_ended_leaves_the_newer_one_open",
        Edit(
            "ChatSessions.record_end",
            '            "contact = :contact",\n            {":true"',
            '            "attribute_exists(chat_key)",\n            {":true"',
        ),
    ),
    unit(
        "open-chats/older-one-takes-its-place",
        f"{_TABLE}test_a_chat_never_takes_the_place_of_a_newer_one",
        Edit(
            "ChatSessions.record_start",
            "            item,\n            ConditionExpression=",
            '            item,\n            ConditionExpression="attribute_not_exists(nothing) OR "\n            ',
        ),
    ),
    unit(
        "open-chats/another-chats-connection",
        f"{_TABLE}test_a_connection_to_an_old_chat_is_not_kept_for_the_newer_one",
        Edit(
            "ChatSessions.record_connection",
            '            "contact = :contact",\n            {\n                ":token"',
            '            "attribute_exists(chat_key)",\n            {\n                ":token"',
        ),
    ),
    unit(
        "open-chats/read-not-consistent",
        f"{_TABLE}test_a_chat_is_known_as_it_is_now_and_not_as_it_was_a_moment_ago",
        Edit("ChatSessions._get", ", ConsistentRead=True", ""),
        control=BY_EVENTS,
    ),
    *(
        unit(
            f"open-chats/{name}",
            f"{_TABLE}test_a_chat_is_forgotten_by_a_number_of_seconds_and_after_its_longest_life",
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
        f"{_TESTS}test_what_is_printed_of_a_chat_holds_no_token",
        Edit("ChatSession", "participant_token: str = field(repr=False)", "participant_token: str"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_CLIENT_TOKENS, *_ENDED, *_CHAT, *_PACES, *_OPEN_CHATS)
