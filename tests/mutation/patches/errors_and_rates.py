"""What becomes of each kind of error, and how fast services are called."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_TROUBLE = (
    unit(
        "followers/not-hidden-alike",
        "test_delivery.py::"
        "test_a_text_that_keeps_failing_goes_back_at_the_deadline_with_all_its_followers_hidden_alike",
        Edit(
            "FifoBatchProcessor.process_group",
            "Retry(message=follower, delay=result.delay)",
            "Retry(message=follower, delay=0)",
        ),
    ),
    unit(
        "followers/not-returned",
        "test_handlers.py::"
        "test_forward_returns_the_failed_text_and_every_follower_of_its_group_hidden_for_the_same_time",
        Edit("FifoBatchProcessor.process_group", "followers = messages[number + 1 :]", "followers = messages[:0]"),
    ),
    unit(
        "followers/tried-all-the-same",
        "test_delivery.py::test_texts_before_the_one_that_fails_stay_delivered",
        Edit("FifoBatchProcessor.process_group", "if isinstance(result, Retry):\n", "if False:\n"),
    ),
    unit(
        "followers/nobody-hides-them",
        "test_handlers.py::"
        "test_forward_returns_the_failed_text_and_every_follower_of_its_group_hidden_for_the_same_time",
        Edit("FifoBatchProcessor.handle", "        self._return_to_queue(retries)\n", ""),
    ),
    unit(
        "back-off/by-receive-count",
        "test_delivery.py::test_the_wait_doubles_with_each_return_of_the_text_itself_up_to_the_longest",
        Edit(
            "FifoBatchProcessor._deliver",
            "            attempt.recorded_retries = state.retries if state else 0\n",
            "",
        ),
    ),
    unit(
        "give-up/never",
        "test_delivery.py::test_a_text_is_given_up_by_the_age_of_its_queue_entry_with_its_last_reason",
        Edit("FifoBatchProcessor._retry_or_give_up", "if tried and age >= self._limits.give_up_after:", "if False:"),
    ),
    unit(
        "give-up/by-age-of-the-sms",
        "test_delivery.py::"
        "test_giving_up_counts_from_the_queue_and_not_from_the_sms_so_that_a_redriven_text_has_its_time",
        Edit(
            "FifoBatchProcessor._retry_or_give_up",
            "age = self._clock.now() - attempt.message.queued_at",
            "age = self._clock.now() - attempt.message.order",
        ),
    ),
    unit(
        "give-up/failed-not-written",
        "test_delivery.py::test_a_failed_text_stays_in_the_queue_until_both_failed_queue_and_ledger_have_it",
        Edit(
            "FifoBatchProcessor._fail",
            "            return self._retry(attempt, exc)\n",
            "            pass\n",
        ),
    ),
    unit(
        "conversations/one-after-another",
        "test_delivery.py::test_conversations_of_a_batch_are_delivered_at_the_same_time",
        Edit("FifoBatchProcessor.process", "results = pool.map(lambda", "results = map(lambda"),
    ),
    unit(
        "deadline/none",
        "test_delivery.py::test_a_slow_conversation_stops_at_the_deadline_and_what_is_left_comes_back_at_once",
        Edit(
            "FifoBatchProcessor.process",
            "self._clock.monotonic() + self._limits.batch_deadline",
            "self._clock.monotonic() + 3600",
        ),
    ),
    unit(
        "deadline/not-between-tries",
        "test_delivery.py::"
        "test_a_text_that_keeps_failing_goes_back_at_the_deadline_with_all_its_followers_hidden_alike",
        Edit("Attempt.call", "if self.clock.monotonic() + wait >= self.deadline:", "if False:"),
    ),
    unit(
        "blocked/as-permanent",
        "test_delivery.py::test_a_blocked_text_is_given_back_at_once_at_the_slow_pace",
        Edit("BlockedError", "class BlockedError(BridgeError)", "class BlockedError(PermanentError)"),
    ),
    unit(
        "blocked/as-transient",
        "test_delivery.py::test_a_blocked_text_is_given_back_at_once_at_the_slow_pace",
        Edit("BlockedError", "class BlockedError(BridgeError)", "class BlockedError(TransientError)"),
        Edit(
            "FifoBatchProcessor._retry",
            "if isinstance(error, BlockedError):\n            delay",
            "if False:\n            delay",
        ),
    ),
    unit(
        "blocked/unknown-is-permanent",
        "test_connect.py::test_an_answer_is_translated_by_code_and_status[SomethingNew-400-AccessRefusedError]",
        Edit(
            "connect_error",
            "UnavailableError if status >= 500 else AccessRefusedError",
            "UnavailableError if status >= 500 else RejectedError",
        ),
    ),
    unit(
        "transient/as-permanent",
        "test_delivery.py::test_a_transient_error_is_tried_again_within_the_batch",
        Edit("TransientError", "class TransientError(BridgeError)", "class TransientError(PermanentError)"),
        Edit(
            "Attempt.call",
            "except TransientError as exc:\n                last = exc",
            "except QueueError as exc:\n                last = exc",
        ),
    ),
    unit(
        "transient/refused-as-untried",
        "test_delivery.py::test_a_limiter_inside_a_transport_does_not_hide_a_refused_call",
        Edit("Attempt.call", "            except OutOfTimeError as exc:", "            except QueueError as exc:"),
    ),
    unit(
        "intake/keeps-trouble-quiet",
        "test_handlers.py::test_intake_says_when_failed_or_the_ledger_could_not_take_a_malformed_one",
        Edit("NotificationIntake.handle", "        if errors:\n            raise errors[0]\n", ""),
    ),
    unit(
        "intake/stops-at-trouble",
        "test_handlers.py::test_intake_takes_the_other_records_before_it_says_that_one_could_not_be_taken",
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
        "test_pacing_and_backoff.py::test_a_429_halves_the_rate_and_calls_in_flight_with_it_count_once",
        Edit("RateLimiter.throttled", "self._rate = max(self._lowest, self._rate / 2)", "self._rate = self._rate"),
    ),
    unit(
        "pacing/not-told-of-429",
        "test_delivery.py::test_throttling_halves_the_pace",
        Edit("Attempt.call", "rate_limiter.throttled()", "pass"),
    ),
    unit(
        "pacing/no-bucket",
        "test_delivery.py::"
        "test_texts_for_which_there_is_no_turn_wait_a_little_longer_each_few_times_and_are_never_given_up_for_it",
        Edit(
            "Attempt.call",
            "if not rate_limiter.acquire(deadline=self.deadline):",
            "if self.clock.monotonic() >= self.deadline:",
        ),
    ),
    unit(
        "pacing/no-waiting",
        "test_promises.py::test_a_call_waits_for_its_turn",
        Edit("RateLimiter.acquire", "        if wait:\n            self._clock.sleep(wait)\n", ""),
    ),
    unit(
        "pacing/no-share",
        "test_pacing_and_backoff.py::test_it_starts_at_its_share_of_the_rate",
        Edit("RateLimiter.__init__", "max(rate / environments, self._lowest)", "max(rate, self._lowest)"),
    ),
    unit(
        "pacing/never-raises",
        "test_pacing_and_backoff.py::"
        "test_the_rate_raises_by_a_thirtieth_of_the_whole_a_second_while_calls_succeed_and_never_above_it",
        Edit("Attempt.call", "                rate_limiter.succeeded()\n", ""),
        Edit(
            "RateLimiter.succeeded",
            "self._rate + self._highest / _SECONDS_TO_FULL_RATE / self._rate",
            "self._rate",
        ),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_TROUBLE,
    *_POLITE,
)
