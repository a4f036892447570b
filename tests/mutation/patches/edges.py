"""What is taken out where one kind of outcome ends and the next begins, and where a setting reaches its place."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_REQUESTS = "test_requests.py::test_no_request_breaks_the_model_of_its_api"
_PLACES = "tests/infra/test_settings.py::"


def _in_template(name: str, test: str, edit: Edit) -> Mutation:
    """Its control is a setting that has nothing to do with it."""
    return Mutation(
        name=name,
        edits=(edit,),
        tests=(f"{_PLACES}{test}",),
        control=f"{_PLACES}test_a_setting_reaches_its_place_in_the_template[runtime]",
    )


def _setting(setting: str, edit: Edit) -> Mutation:
    return _in_template(
        f"settings/{setting.partition('.')[2]}",
        f"test_a_setting_reaches_its_place_in_the_template[{setting}]",
        edit,
    )


MUTATIONS: tuple[Mutation, ...] = (
    unit(
        "requests/initial-message-without-its-type",
        f"{_REQUESTS}[start-chat: initial message]",
        Edit(
            "StartChat._start",
            '{"ContentType": "text/plain", "Content": request.part.content}',
            '{"Content": request.part.content}',
        ),
    ),
    unit(
        "requests/link-lives-too-long",
        f"{_REQUESTS}[reply: a file]",
        Edit("LINK_SECONDS", "LINK_SECONDS = 300", "LINK_SECONDS = 3000"),
    ),
    unit(
        "keyword/shown-and-ignored",
        "test_edges.py::test_a_keyword_that_was_shown_is_forwarded_though_no_chat_was_there_to_end",
        Edit(
            "TextDelivery.deliver",
            "None if shown or len(parts) > 1 else _NO_CHAT_ENDED",
            "None if shown else _NO_CHAT_ENDED",
        ),
    ),
    _setting(
        "operation.log_level",
        Edit(
            "BridgeFunction.__init__",
            '"POWERTOOLS_LOG_LEVEL": config.operation.log_level',
            '"POWERTOOLS_LOG_LEVEL": "INFO"',
        ),
    ),
    _setting(
        "operation.log_retention_days",
        Edit("BridgeFunction.__init__", "= config.operation.log_retention_days", "= 30"),
    ),
    _setting(
        "limits.max_concurrency",
        Edit(
            "BridgeStack.__init__",
            "reply.take_from(replies.queue, max_concurrency=limits.max_concurrency)",
            "reply.take_from(replies.queue, max_concurrency=4)",
        ),
    ),
    _in_template(
        "neighbours/inbound-topic-for-streaming",
        "test_each_variable_names_its_own_resource[forward]",
        Edit(
            "BridgeStack.__init__",
            'add_environment("STREAMING_TOPIC_ARN", streaming.topic.topic_arn)',
            'add_environment("STREAMING_TOPIC_ARN", topic.topic.topic_arn)',
        ),
    ),
    _in_template(
        "neighbours/conversations-for-replies",
        "test_each_variable_names_its_own_resource[reply_intake]",
        Edit(
            "BridgeStack.__init__",
            '"REPLIES_QUEUE_URL": replies.queue.queue_url',
            '"REPLIES_QUEUE_URL": conversations.queue.queue_url',
        ),
    ),
    _in_template(
        "neighbours/intake-for-reply-intake",
        "test_each_output_names_its_own_resource",
        Edit("BridgeStack.__init__", "reply_intake.function.function_name", "intake.function.function_name"),
    ),
    unit(
        "settings/one-rate-for-another",
        "test_settings.py::test_a_rate_divided_by_the_concurrency_limits_its_operation[connection_rate-100-calls1]",
        Edit(
            "_start_chat",
            "connection_limiter=_rate_limiter(config, limits.connection_rate)",
            "connection_limiter=_rate_limiter(config, limits.message_rate)",
        ),
    ),
    unit(
        "redrive/reply-intake-to-conversations",
        "test_operators_edges.py::test_what_a_function_gave_up_goes_back_to_the_queue_of_its_direction[reply_intake-<lambda>-replies]",
        Edit("_OF_REPLIES", '("reply", "reply-intake")', '("reply",)'),
    ),
    unit(
        "redrive/catches-up-in-a-burst",
        "test_operators_edges.py::test_a_redrive_that_had_to_wait_does_not_catch_up_in_a_burst",
        Edit(
            "Redrive._wait_for_turn",
            "max(self._next_at, self._clock.monotonic()) + count / self._rate",
            "self._next_at + count / self._rate",
        ),
    ),
    unit(
        "redrive/slow-and-hidden-for-as-long-as-ever",
        "test_operators_edges.py::test_what_is_in_hand_is_put_back_before_it_would_be_seen_again[0.1]",
        Edit(
            "Redrive.run",
            "hidden=HIDDEN + int(max(slowly, _SECONDS_IN_HAND) if self._rate else 0)",
            "hidden=HIDDEN + 0 * int(slowly)",
        ),
    ),
    unit(
        "half-character/in-the-attribute",
        "test_edges.py::test_half_a_character_is_a_replacement_character_wherever_the_text_goes",
        Edit(
            "new_session",
            "replace_lone_surrogates(sms.body).encode()[: max(0, room)]",
            "sms.body.encode()[: max(0, room)]",
        ),
    ),
    unit(
        "failed-refuses/not-caught",
        "test_edges.py::test_a_malformed_message_that_failed_refuses_waits_and_takes_no_other_along",
        Edit("FifoBatchProcessor._fail", "except (QueueError, LedgerError) as exc:", "except LedgerError as exc:"),
    ),
    unit(
        "blank-reply/forwarded",
        "test_edges.py::test_a_blank_reply_is_ignored_in_the_ledger_with_a_reason_and_done_at_once",
        Edit("ReplyDelivery.deliver", "nothing_shown=None if texts else _BLANK", "nothing_shown=None"),
    ),
    unit(
        "first-seen/last-seen",
        tuple(
            f"test_edges.py::test_when_a_text_was_first_seen_never_changes[{then}-receipt]"
            for then in ("split", "part", "retry", "failure", "duplicate", "ignored")
        ),
        Edit("Ledger._update", "first_seen_at = if_not_exists(first_seen_at, :now)", "first_seen_at = :now"),
    ),
    unit(
        "remedies/one-too-few",
        "test_operators_edges.py::test_the_max_receive_count_that_a_remedy_names_is_accepted_and_one_less_is_not",
        Edit(
            "_limits_mistakes",
            'f"max_receive_count of {needed} or more"',
            'f"max_receive_count of {needed - 1} or more"',
        ),
    ),
    unit(
        "pace/grows-by-the-call",
        "test_edges.py::test_the_rate_grows_by_a_thirtieth_of_the_whole_for_each_second_of_calls",
        Edit(
            "RateLimiter.succeeded",
            "self._highest / _SECONDS_TO_FULL_RATE / self._rate",
            "self._highest / _SECONDS_TO_FULL_RATE",
        ),
    ),
    unit(
        "pace/burst-after-a-refusal",
        "test_edges.py::test_after_a_refusal_the_next_call_waits_for_a_whole_turn_at_the_halved_rate",
        Edit("RateLimiter.throttled", "self._tokens = min(self._tokens, 0.0)", "self._tokens = self._tokens"),
    ),
    unit(
        "trace/a-day-whatever-is-asked",
        "test_operators_edges.py::test_trace_shows_what_came_within_the_hours_the_oldest_first[options1-expected1]",
        Edit(
            "trace.command",
            "since=datetime.now(UTC) - timedelta(hours=hours)",
            "since=datetime.now(UTC) - timedelta(hours=24)",
        ),
    ),
    unit(
        "trace/without-the-latest-chat",
        "test_operators_edges.py::test_trace_shows_replies_of_the_latest_chat_and_of_those_that_texts_went_into",
        Edit(
            "_of_customer",
            "(parties.latest(key), *(text.contact for text in texts))",
            "(text.contact for text in texts)",
        ),
    ),
    unit(
        "doctor/not-the-last-figure",
        (
            "test_operators_edges.py::test_active_chats_are_those_of_the_last_five_minutes_that_cloudwatch_has",
            "test_operators_edges.py::test_what_is_spent_is_this_months_last_figure",
        ),
        Edit("_latest", 'points[-1]["Maximum"]', 'points[0]["Maximum"]'),
    ),
)
