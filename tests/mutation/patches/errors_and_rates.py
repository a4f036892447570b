"""Mutations of error handling, retries and rate limits."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_ERRORS = (
    unit(
        "followers/not-hidden-alike",
        "bridge/processing/test_batch.py::test_a_failing_text_returns_at_the_deadline_with_all_its_followers",
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
        Edit("FifoBatchProcessor._retry_or_give_up", "if tried and age >= self._limits.give_up_after:", "if False:"),
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
        "bridge/processing/test_batch.py::test_a_failing_text_returns_at_the_deadline_with_all_its_followers",
        Edit("Attempt.call", "if self.clock.monotonic() + wait >= self.deadline:", "if False:"),
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
        "pacing/no-halving",
        "bridge/processing/test_rate_limiter.py::test_a_429_halves_the_rate_once_for_calls_in_flight_together",
        Edit("RateLimiter.throttled", "self._rate = max(self._lowest, self._rate / 2)", "self._rate = self._rate"),
    ),
    unit(
        "pacing/not-told-of-429",
        "bridge/processing/test_batch.py::test_throttling_halves_the_rate",
        Edit("Attempt.call", "rate_limiter.throttled()", "pass"),
    ),
    unit(
        "pacing/no-bucket",
        "bridge/processing/test_batch.py::test_untried_texts_wait_longer_every_few_receives_and_are_not_given_up",
        Edit(
            "Attempt.call",
            "if not rate_limiter.acquire(deadline=self.deadline):",
            "if self.clock.monotonic() >= self.deadline:",
        ),
    ),
    unit(
        "pacing/no-waiting",
        "bridge/processing/test_rate_limiter.py::test_a_call_waits_for_a_token",
        Edit("RateLimiter.acquire", "        if wait:\n            self._clock.sleep(wait)\n", ""),
    ),
    unit(
        "pacing/no-share",
        "bridge/processing/test_rate_limiter.py::test_it_starts_at_its_share_of_the_rate",
        Edit("RateLimiter.__init__", "max(rate / environments, self._lowest)", "max(rate, self._lowest)"),
    ),
    unit(
        "pacing/never-raises",
        "bridge/processing/test_rate_limiter.py::test_the_rate_grows_while_calls_succeed_up_to_the_configured_rate",
        Edit("Attempt.call", "                rate_limiter.succeeded()\n", ""),
        Edit(
            "RateLimiter.succeeded",
            "self._rate + self._highest / _SECONDS_TO_FULL_RATE / self._rate",
            "self._rate",
        ),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_ERRORS,
    *_POLITE,
)
