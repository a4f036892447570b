"""Mutations at the boundaries between two outcomes, and of the places where settings are used."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_REQUESTS = "bridge/test_requests.py::test_no_request_breaks_the_model_of_its_api"
_PLACES = "tests/infra/test_settings.py::"


def _in_template(name: str, test: str, edit: Edit) -> Mutation:
    """The control is a test of another setting."""
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
        "bridge/test_edges.py::test_a_shown_keyword_is_forwarded_also_when_no_chat_is_open",
        Edit(
            "TextDelivery.deliver",
            "isinstance(answer, NoOpenChat) and part == 0",
            "isinstance(answer, NoOpenChat)",
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
            "Pipeline.__init__",
            "max_concurrency=limits.max_concurrency",
            "max_concurrency=4",
        ),
    ),
    _in_template(
        "neighbours/inbound-topic-for-streaming",
        "test_each_variable_names_its_own_resource[forward]",
        Edit(
            "StartChatDelivery.__init__",
            'add_environment("STREAMING_TOPIC_ARN", self.streaming.topic_arn)',
            'add_environment("STREAMING_TOPIC_ARN", scope.node.find_child("Inbound").topic.topic_arn)',
        ),
    ),
    _in_template(
        "neighbours/conversations-for-replies",
        "test_each_variable_names_its_own_resource[reply_intake]",
        Edit(
            "Pipeline.__init__",
            '_QUEUE_URL": self.queue.queue_url',
            '_QUEUE_URL": (scope.node.try_find_child("Conversations") or self).queue.queue_url',
        ),
    ),
    _in_template(
        "neighbours/intake-for-reply-intake",
        "test_each_output_names_its_own_resource",
        Edit("infra/outputs.py", "replies.intake.function.function_name", "texts.intake.function.function_name"),
    ),
    unit(
        "settings/one-rate-for-another",
        "bridge/test_settings.py::test_a_rate_divided_by_the_concurrency_limits_its_operation[connection_rate-100-calls1]",
        Edit(
            "_start_chat",
            "connection_limiter=_rate_limiter(config, limits.connection_rate)",
            "connection_limiter=_rate_limiter(config, limits.message_rate)",
        ),
    ),
    unit(
        "redrive/reply-intake-to-conversations",
        "ops/failed/test_rate.py::test_what_a_function_gave_up_goes_back_to_the_queue_of_its_direction[reply_intake-<lambda>-replies]",
        Edit("_OF_REPLIES", '("reply", "reply-intake")', '("reply",)'),
    ),
    unit(
        "redrive/catches-up-in-a-burst",
        "ops/failed/test_rate.py::test_a_redrive_that_had_to_wait_does_not_catch_up_in_a_burst",
        Edit(
            "Redrive._wait_for_rate",
            "max(self._next_at, self.clock.monotonic()) + count / self.rate",
            "self._next_at + count / self.rate",
        ),
    ),
    unit(
        "redrive/slow-and-hidden-for-as-long-as-ever",
        "ops/failed/test_rate.py::test_received_messages_are_put_back_before_they_become_visible_again[0.1]",
        Edit(
            "Redrive.__post_init__",
            "visibility_timeout=FAILED_VISIBILITY + int(slowly)",
            "visibility_timeout=FAILED_VISIBILITY + 0 * int(slowly)",
        ),
    ),
    unit(
        "half-character/in-the-attribute",
        "bridge/test_edges.py::test_a_lone_surrogate_is_sent_as_the_replacement_character_everywhere",
        Edit(
            "new_session",
            "replace_lone_surrogates(sms.body).encode()[: max(0, room)]",
            "sms.body.encode()[: max(0, room)]",
        ),
    ),
    unit(
        "failed-refuses/not-caught",
        "bridge/test_edges.py::test_a_malformed_message_is_retried_alone_while_failed_is_down",
        Edit("FifoBatchProcessor._fail", "except (QueueError, LedgerError) as exc:", "except LedgerError as exc:"),
    ),
    unit(
        "blank-reply/forwarded",
        "bridge/test_edges.py::test_a_blank_reply_is_ignored_with_a_reason_at_its_first_attempt",
        Edit("ReplyDelivery.deliver", "nothing_shown=None if texts else _BLANK", "nothing_shown=None"),
    ),
    unit(
        "first-seen/last-seen",
        tuple(
            f"bridge/aws/test_ledger.py::test_first_seen_at_never_changes[{then}-receipt]"
            for then in ("split", "part", "retry", "failure", "duplicate", "ignored")
        ),
        Edit("Ledger._update", "first_seen_at = if_not_exists(first_seen_at, :now)", "first_seen_at = :now"),
    ),
    unit(
        "remedies/one-too-few",
        "infra/test_remedies.py::test_the_max_receive_count_of_a_remedy_is_accepted_and_one_less_is_not",
        Edit(
            "rules._limits",
            'f"max_receive_count of {needed} or more"',
            'f"max_receive_count of {needed - 1} or more"',
        ),
    ),
    unit(
        "trace/a-day-whatever-is-asked",
        "ops/test_periods.py::test_trace_shows_what_came_within_the_hours_the_oldest_first[options1-expected1]",
        Edit(
            "trace.command",
            "since = datetime.now(UTC) - timedelta(hours=hours)",
            "since = datetime.now(UTC) - timedelta(hours=24)",
        ),
    ),
    unit(
        "trace/without-the-latest-chat",
        "ops/test_periods.py::test_trace_shows_replies_of_the_latest_chat_and_of_every_chat_with_a_text",
        Edit(
            "_of_customer",
            "(chats.latest(conversation), *(text.contact for text in texts))",
            "(text.contact for text in texts)",
        ),
    ),
    unit(
        "doctor/not-the-last-figure",
        (
            "ops/doctor/test_quotas.py::test_active_chats_are_those_of_the_last_five_minutes_that_cloudwatch_has",
            "ops/doctor/test_quotas.py::test_what_is_spent_is_this_months_last_figure",
        ),
        Edit("_latest", "values[-1]", "values[0]"),
    ),
)
