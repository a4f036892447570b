"""Mutations of error handling, retries and rate limits."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_ERRORS = (
    unit(
        "followers/not-hidden-alike",
        "bridge/processing/test_batch.py::test_a_failing_text_returns_after_four_calls_with_all_its_followers",
        Edit(
            "FifoBatchProcessor.process_group",
            "Retry(message=follower, delay=result.delay)",
            "Retry(message=follower, delay=0)",
        ),
    ),
    unit(
        "followers/not-returned",
        "bridge/test_forward.py::test_forward_returns_a_failing_text_with_its_followers_hidden_alike",
        Edit("FifoBatchProcessor.process_group", "followers = messages[number + 1 :]", "followers = messages[:0]"),
    ),
    unit(
        "followers/tried-all-the-same",
        "bridge/processing/test_batch.py::test_texts_before_the_failing_one_stay_delivered",
        Edit("FifoBatchProcessor.process_group", "if isinstance(result, Retry):\n", "if False:\n"),
    ),
    unit(
        "followers/nobody-hides-them",
        "bridge/test_forward.py::test_forward_returns_a_failing_text_with_its_followers_hidden_alike",
        Edit("FifoBatchProcessor.handle", "        self._return_to_queue(retries)\n", ""),
    ),
    unit(
        "back-off/by-receive-count",
        "bridge/processing/test_batch.py::test_the_delay_doubles_with_each_retry_of_the_text_up_to_the_longest",
        Edit(
            "FifoBatchProcessor._deliver",
            "            attempt.recorded_retries = state.retries if state else 0\n",
            "",
        ),
    ),
    unit(
        "give-up/never",
        "bridge/processing/test_batch.py::test_a_text_is_given_up_by_its_age_in_the_queue_with_its_last_reason",
        Edit(
            "FifoBatchProcessor._retry_or_give_up",
            "if age >= self._limits.give_up_after * (2 if never_tried else 1):",
            "if False:",
        ),
    ),
    unit(
        "give-up/errors-hidden-by-no-token",
        "bridge/processing/test_batch.py::test_a_text_without_a_token_is_given_up_by_the_error_it_had_before",
        Edit(
            "FifoBatchProcessor._retry_or_give_up",
            "cause = error if tried else attempt.last_error or error",
            "cause = error",
        ),
    ),
    unit(
        "give-up/by-age-of-the-sms",
        "bridge/processing/test_batch.py::test_give_up_after_counts_from_queueing_so_a_redriven_text_has_its_time",
        Edit(
            "FifoBatchProcessor._retry_or_give_up",
            "age = self._clock.now() - attempt.message.queued_at",
            "age = self._clock.now() - attempt.message.order",
        ),
    ),
    unit(
        "give-up/failed-not-written",
        "bridge/processing/test_batch.py::test_a_failed_text_stays_queued_until_dead_letter_queue_and_ledger_have_it",
        Edit(
            "FifoBatchProcessor._fail",
            "            return self._retry(attempt, exc)\n",
            "            pass\n",
        ),
    ),
    unit(
        "conversations/one-after-another",
        "bridge/processing/test_batch.py::test_conversations_of_a_batch_are_delivered_in_parallel",
        Edit("FifoBatchProcessor.process", "results = pool.map(lambda", "results = map(lambda"),
    ),
    unit(
        "deadline/none",
        "bridge/processing/test_batch.py::test_a_slow_conversation_stops_at_the_deadline_and_the_rest_returns_at_once",
        Edit(
            "FifoBatchProcessor.process",
            "self._clock.monotonic() + self._limits.batch_deadline",
            "self._clock.monotonic() + 3600",
        ),
    ),
    unit(
        "deadline/not-between-tries",
        "bridge/test_edges.py::test_no_pause_is_begun_that_would_end_after_the_deadline",
        Edit("Attempt.call", "if not remaining or self.clock.monotonic() + wait >= until:", "if not remaining:"),
    ),
    unit(
        "blocked/as-permanent",
        "bridge/processing/test_batch.py::test_a_blocked_text_returns_to_the_queue_at_once_with_the_long_delay",
        Edit("BlockedError", "class BlockedError(BridgeError)", "class BlockedError(PermanentError)"),
    ),
    unit(
        "blocked/as-transient",
        "bridge/processing/test_batch.py::test_a_blocked_text_returns_to_the_queue_at_once_with_the_long_delay",
        Edit("BlockedError", "class BlockedError(BridgeError)", "class BlockedError(TransientError)"),
        Edit(
            "FifoBatchProcessor._retry",
            "if isinstance(error, BlockedError):\n            delay",
            "if False:\n            delay",
        ),
    ),
    unit(
        "blocked/unknown-is-permanent",
        "bridge/aws/test_integration_events.py::test_an_answer_is_translated_by_code_and_status[SomethingNew-400-AccessRefusedError]",
        Edit(
            "service_error",
            "UnavailableError if status >= 500 else AccessRefusedError",
            "UnavailableError if status >= 500 else RejectedError",
        ),
    ),
    unit(
        "transient/as-permanent",
        "bridge/processing/test_batch.py::test_a_transient_error_is_tried_again_within_the_batch",
        Edit("TransientError", "class TransientError(BridgeError)", "class TransientError(PermanentError)"),
        Edit(
            "Attempt.call",
            "except TransientError as exc:\n                last = exc",
            "except QueueError as exc:\n                last = exc",
        ),
    ),
    unit(
        "transient/refused-as-untried",
        "bridge/processing/test_batch.py::test_a_limiter_inside_a_transport_does_not_hide_a_refused_call",
        Edit("Attempt.call", "            except OutOfTimeError as exc:", "            except QueueError as exc:"),
    ),
    unit(
        "intake/keeps-errors-quiet",
        "bridge/test_intake.py::test_intake_raises_when_a_malformed_text_cannot_be_failed_or_recorded",
        Edit("NotificationIntake.handle", "        if errors:\n            raise errors[0]\n", ""),
    ),
    unit(
        "intake/stops-at-an-error",
        "bridge/test_intake.py::test_intake_takes_all_other_records_before_it_raises_an_error",
        Edit(
            "NotificationIntake.handle",
            "not_taken(message.key, exc)\n                errors.append(exc)\n",
            "not_taken(message.key, exc)\n                raise\n",
        ),
    ),
)

_POLITE = (
    unit(
        "pacing/no-decrease",
        "bridge/processing/test_rate_limiter.py::test_a_429_lowers_the_rate_by_what_32_accepted_calls_raised_it",
        Edit("RateLimiter.throttled", "self._rate - self._step * (1 - tolerated) / tolerated", "self._rate"),
    ),
    unit(
        "pacing/not-told-of-429",
        "bridge/processing/test_batch.py::test_throttling_lowers_the_rate",
        Edit("RateLimiter.call", "            if new:\n                self.throttled()\n", ""),
    ),
    unit(
        "pacing/no-floor",
        "bridge/processing/test_rate_limiter.py::test_no_429_lowers_the_rate_below_its_floor_before_a_probe",
        Edit("RateLimiter.throttled", "max(min(self._floor, self._rate), ", "max(0.01, "),
    ),
    unit(
        "pacing/no-waiting",
        "bridge/aws/test_start_chat.py::test_customers_are_connected_and_disconnected_within_connects_rates",
        Edit("RateLimiter.acquire", "        if wait:\n            self._clock.sleep(wait)\n", ""),
    ),
    unit(
        "pacing/no-share",
        "bridge/processing/test_rate_limiter.py::test_an_environment_starts_at_its_share_of_the_rate",
        Edit("RateLimiter.__init__", "rate, rate / environments", "rate, rate"),
    ),
    unit(
        "pacing/never-raises",
        "bridge/processing/test_rate_limiter.py::test_a_conversation_that_is_throttled_again_lowers_the_rate_once_a_minute",
        Edit("RateLimiter.call", "        self.succeeded()\n", ""),
    ),
    unit(
        "pacing/no-growth",
        "bridge/processing/test_rate_limiter.py::test_an_accepted_call_raises_the_rate_by_one_percent_up_to_the_configured",
        Edit("RateLimiter.succeeded", "self._rate + self._step", "self._rate"),
    ),
    unit(
        "pacing/unrelated-429s-taken-for-a-quota",
        "bridge/processing/test_rate_limiter.py::test_unrelated_429s_leave_a_share_of_the_calls_of_the_limit[1-4-0.6]",
        Edit("RateLimiter._decide", "if evidence > 0:", "if False:"),
    ),
    unit(
        "pacing/quota-not-found",
        "bridge/processing/test_rate_limiter.py::test_a_quota_below_the_configured_rate_is_found[8.5-0.16-1]",
        Edit("RateLimiter._decide", "max(self._floor / 2, _LOWEST * self._highest)", "self._floor"),
    ),
)

_FAIR = (
    unit(
        "fair/each-refusal-lowers-the-rate",
        "bridge/processing/test_rate_limiter.py::test_a_conversation_that_is_throttled_again_lowers_the_rate_once_a_minute",
        Edit("RateLimiter._refuse", "return new", "return True"),
    ),
    unit(
        "fair/no-end-of-retries",
        "bridge/processing/test_batch.py::test_a_call_that_takes_long_is_repeated_once_and_later_not_at_all",
        Edit(
            "Attempt.call",
            "until = min(self.deadline, self.clock.monotonic() + retry_seconds)",
            "until = self.deadline",
        ),
    ),
    unit(
        "fair/calls-until-the-deadline",
        "bridge/processing/test_batch.py::test_a_failing_text_returns_after_four_calls_with_all_its_followers",
        Edit("Attempt.call", "range(_CALLS)", "range(1000)"),
    ),
    unit(
        "fair/strangers-wait-in-the-batch",
        "bridge/aws/test_start_chat.py::test_a_text_that_cannot_start_its_chat_now_returns_at_once",
        Edit("StartChat._start_chat_contact", "                deadline=self._monotonic() + _START_WAIT,\n", ""),
    ),
    unit(
        "fair/one-time-for-all",
        "bridge/processing/test_rate_limiter.py::test_each_call_without_a_token_gets_a_later_time",
        Edit("RateLimiter._next_token", "max(now, self._reserved_until) + 1 / self.rate", "now + 1 / self.rate"),
    ),
    unit(
        "fair/full-instance-not-named",
        "bridge/aws/test_integration_events.py::test_a_conversation_that_alone_is_throttled_meets_a_full_instance",
        Edit(
            "IntegrationEvents._call", "if not self._rate_limiter.by_chance(request.throttled_before + 1):", "if False:"
        ),
    ),
    unit(
        "fair/any-retry-counts-as-throttled",
        "bridge/texts/test_delivery.py::test_only_retries_after_throttling_in_a_row_count_as_throttled",
        Edit(
            "FifoBatchProcessor._record_retry",
            "attempt.throttled + 1 if isinstance(error, (ThrottledError, ChatLimitError)) else 0",
            "attempt.throttled + 1",
        ),
    ),
    unit(
        "fair/full-at-the-start-not-named",
        "bridge/aws/test_start_chat.py::test_an_instance_that_starts_no_chat_for_a_minute_is_full",
        Edit(
            "StartChat._start_chat_contact",
            "if self._start_limiter.refusing_for >= _FULL_AFTER > self._message_limiter.accepted_ago:",
            "if False:",
        ),
    ),
    unit(
        "fair/hanging-call-waited-for",
        "bridge/aws/test_clients.py::test_a_hanging_call_is_given_up_early_where_answers_usually_come_soon",
        Edit("_AdaptiveClient.__getattr__", "latency.short_timeout or self._longest", "self._longest"),
    ),
    unit(
        "fair/late-answers-not-waited-for",
        "bridge/processing/test_latency.py::test_after_two_time_outs_the_longest_time_is_waited_until_answers_come",
        Edit("UsualLatency.timed_out", "self._backoff * 2", "self._backoff"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_ERRORS,
    *_POLITE,
    *_FAIR,
)
