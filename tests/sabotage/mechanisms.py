"""What is taken out, and which test must notice. docs/promises.md names each."""

from __future__ import annotations

from tests.sabotage import edges, leaving, limits, operating, permissions, replies, start_chat
from tests.sabotage.making import (
    BY_EVENTS,
    STACK_STANDS,
    alarm,
    archive,
    checked,
    key,
    page,
    refused,
    stack,
    unit,
)
from tests.sabotage.workshop import Edit, Mechanism

_QUEUES = "lambda/bridge/aws/queues.py"

_UNDELIVERED = '            enforce_ssl=True,\n        )\n        pin(self.queue, "UndeliveredQueue")'

_GROUPS = (
    unit(
        "group-lock/one-for-all",
        "test_notification.py::test_a_conversation_is_one_customer_and_one_of_our_numbers",
        Edit("conversation_id", "json.dumps([customer_number, business_number])", '"one"'),
    ),
    unit(
        "group-lock/one-per-text",
        "test_promises.py::test_while_one_environment_has_a_conversations_text_no_other_gets_its_next_one",
        Edit(
            "InboundSms.conversation_id",
            "conversation_id(self.origination_number, self.destination_number)",
            "conversation_id(self.origination_number, self.destination_number + self.text_key)",
        ),
        control=BY_EVENTS,  # the open chats go by the conversation too
    ),
    unit(
        "group-lock/not-the-queues",
        "test_promises.py::test_a_conversation_is_one_message_group_and_another_one_another",
        Edit("FifoQueue.send", "MessageGroupId=group_id", "MessageGroupId=deduplication_id"),
    ),
    unit(
        "group-lock/not-in-forward",
        "test_entry.py::test_a_batch_is_read_into_conversations_in_the_order_of_the_queue",
        Edit("QueueMessage.from_record", 'group_id=attributes["MessageGroupId"]', 'group_id=record["messageId"]'),
    ),
    unit(
        "order/no-sort-by-timestamp",
        "test_entry.py::test_texts_of_a_batch_are_sorted_by_the_time_at_which_they_were_sent_and_the_overtaken_are_counted",
        Edit(
            "message_groups",
            "sorted(messages, key=lambda message: (-message.receive_count, message.order)) for",
            "list(messages) for",
        ),
    ),
    unit(
        "order/before-what-was-tried",
        "test_entry.py::test_nothing_is_sorted_ahead_of_a_text_that_was_received_before",
        Edit("message_groups", "(-message.receive_count, message.order)", "message.order"),
    ),
)

_LEDGER_AND_ONCE = (
    unit(
        "ledger-read/none",
        "test_delivery.py::test_a_text_that_came_again_after_success_is_not_shown_twice",
        Edit("FifoBatchProcessor._deliver", "state = self._ledger.read(message.key)", "state = None"),
    ),
    unit(
        "ledger-read/not-consistent",
        "test_promises.py::test_the_ledger_is_read_as_it_is_now_and_not_as_it_was_a_moment_ago",
        Edit("Ledger.read", ", ConsistentRead=True", ""),
    ),
    unit(
        "ledger-read/parts-forgotten",
        "test_delivery.py::test_a_failed_text_that_is_redriven_goes_on_where_it_stopped",
        Edit("TextDelivery.deliver", "part = state.parts_done if state else 0", "part = 0"),
    ),
    unit(
        "ledger-write/before-the-answer",
        "test_delivery.py::test_a_long_text_resumes_after_the_part_that_connect_last_accepted",
        Edit(
            "TextDelivery.deliver",
            "            answer = self._send(request, attempt)\n",
            "            self._ledger.record_part(\n"
            "                sms.text_key, message.metadata, split=split, part=part, parts=len(parts), attempts=0,\n"
            "                message_id=message.message_id,\n"
            "            )\n"
            "            answer = self._send(request, attempt)\n",
        ),
    ),
    unit(
        "ledger-write/unconditional",
        "test_promises.py::"
        "test_a_worker_that_comes_too_late_does_not_set_the_ledger_back_and_learns_how_far_the_other_one_got",
        Edit("Ledger.record_part", '"parts_done = :before")', '"attribute_exists(parts_done)")'),
    ),
    unit(
        "ledger-write/not-believed",
        "test_delivery.py::test_a_text_that_another_environment_finished_meanwhile_is_left_to_it",
        Edit("TextDelivery.deliver", "part = state.parts_done\n", "part += 1\n"),
    ),
    unit(
        "ledger-write/shown-can-fail",
        "test_promises.py::test_a_text_that_was_shown_never_becomes_a_failed_one",
        Edit(
            "Ledger.record_failure",
            'add={":one": ("failures", 1)},\n            condition="NOT outcome IN (:forwarded, :ignored)",\n',
            'add={":one": ("failures", 1)},\n',
        ),
    ),
    unit(
        "ledger-write/failed-can-wait",
        "test_promises.py::test_a_function_that_lost_its_batch_does_not_make_a_text_wait_that_has_failed_meanwhile",
        Edit("Ledger.record_retry", '(:forwarded, :ignored) AND NOT failed_entry = :entry"', '(:forwarded, :ignored)"'),
    ),
    unit(
        "ledger-keeps/ten-days",
        "test_promises.py::test_a_text_is_remembered_longer_than_any_queue_keeps_it",
        Edit("KEEP_SECONDS", "KEEP_SECONDS = 16 *", "KEEP_SECONDS = 10 *"),
    ),
    unit(
        "ledger-write/failed-half-shown-can-wait",
        "test_promises.py::"
        "test_a_function_that_lost_its_batch_does_not_hide_that_its_text_failed_until_it_has_shown_all_of_it",
        Edit("Ledger.record_part", 'else " AND NOT failed_entry = :entry"', 'else ""'),
    ),
    unit(
        "plan/own-cut",
        "test_delivery.py::test_a_text_that_another_environment_began_with_another_cut_is_shown_whole_in_that_one",
        Edit("TextDelivery.deliver", "            if state.split and state.split != split:", "            if False:"),
    ),
    unit(
        "plan/not-kept",
        "test_promises.py::test_how_a_text_was_begun_comes_back_from_the_ledger",
        Edit("Ledger.record_part", '            "plan": {"M": _serialised(split)},\n', ""),
    ),
    unit(
        "plan/not-used",
        "test_delivery.py::test_a_text_is_cut_as_it_was_begun_also_when_a_deploy_changed_the_limit_between_two_tries",
        Edit(
            "TextDelivery.deliver",
            "split = state.split if state and state.split else self._split(sms, attempt)",
            "split = self._split(sms, attempt)",
        ),
        Edit(
            "TextDelivery._split", "            return self._ledger.save_split(", "            self._ledger.save_split("
        ),
    ),
    unit(
        "plan/kept-with-the-first-part",
        "test_delivery.py::test_how_a_text_is_cut_is_kept_before_its_first_part_is_sent",
        Edit(
            "TextDelivery._split",
            "            return self._ledger.save_split(sms.text_key, message.metadata, split=plan)",
            "            pass",
        ),
    ),
    unit(
        "deduplication/into-conversations",
        "test_promises.py::test_a_text_that_sns_hands_over_twice_is_queued_once",
        Edit("FifoQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=str(time.time_ns())"),
    ),
    unit(
        "deduplication/by-content",
        "test_promises.py::test_equal_texts_sent_one_after_the_other_are_both_queued",
        Edit(
            "FifoQueue.send",
            "MessageDeduplicationId=deduplication_id",
            'MessageDeduplicationId=json.loads(json.loads(body)["Sns"]["Message"])["messageBody"]',
        ),
        Edit(_QUEUES, "import time\n", "import json\nimport time\n"),
    ),
    unit(
        "deduplication/into-failed",
        "test_delivery.py::test_a_text_that_fails_again_after_a_redrive_has_another_deduplication_id",
        Edit("FifoBatchProcessor._fail", "deduplication_id=message.message_id", "deduplication_id=message.key"),
    ),
    unit(
        "deduplication/failed-queue",
        "test_promises.py::test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time",
        Edit("DeadLetterQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=key"),
    ),
    unit(
        "deduplication/redrive",
        "test_promises.py::test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time",
        Edit("send", ": letter.message_id,\n            }", ": letter.text_key,\n            }"),
    ),
    unit(
        "one-attempt/the-sdk-repeats",
        "test_promises.py::test_the_sdk_repeats_no_call_to_connect_and_waits_for_its_answer_as_long_as_configured",
        Edit("_single_attempt", '"total_max_attempts": 1}', '"total_max_attempts": 4}'),
    ),
)

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

_SHOWN = (
    unit(
        "graphemes/cut-anywhere",
        "test_promises.py::test_no_grapheme_is_cut_wherever_the_limit_falls",
        Edit(
            "_end_of_part",
            "return after_space or (end if end > start else _hard_end(text, start, limit))",
            "return _hard_end(text, start, limit)",
        ),
    ),
    unit(
        "graphemes/not-at-white-space",
        "test_split.py::test_the_cut_is_after_the_last_white_space_that_fits",
        Edit("_end_of_part", "return after_space or (end if", "return (end if"),
    ),
    unit(
        "graphemes/length-in-characters",
        "test_split.py::test_length_is_counted_in_utf16_code_units",
        Edit(
            "utf16_length",
            'return len(text) + sum(character > "\\uffff" for character in text)',
            "return len(text)",
        ),
    ),
    unit(
        "disconnect-keyword/unknown",
        "test_delivery.py::test_a_disconnect_keyword_is_shown_and_then_ends_the_chat",
        Edit("split_plan", "ends_chat = _is_disconnect(sms.body, chat)", "ends_chat = False"),
    ),
    unit(
        "disconnect-keyword/no-chat-fails",
        "test_connect.py::test_an_error_of_a_disconnect_is_a_chat_that_is_not_open",
        Edit(
            "IntegrationEvents.send",
            '            if part.type == "DISCONNECT":\n                return NoOpenChat()\n',
            "",
        ),
    ),
    unit(
        "disconnect-keyword/no-chat-is-forwarded",
        "test_delivery.py::test_ending_a_chat_that_is_not_open_is_nothing_to_do",
        Edit("TextDelivery.deliver", "None if shown or len(parts) > 1 else _NO_CHAT_ENDED", "None"),
    ),
    unit(
        "empty-body/no-line",
        "test_compose.py::test_an_empty_text_is_shown_as_the_configured_line",
        Edit("chat_parts", "sms.body if sms.body.strip() else chat.empty_message", "sms.body"),
    ),
    unit(
        "late-line/none",
        "test_delivery.py::test_a_text_that_waited_longer_than_mark_late_after_says_when_it_was_sent",
        Edit("split_plan", 'prefix=_late_line(sent_at, chat) if late and sent_at else ""', 'prefix=""'),
    ),
)

_PRIVATE = (
    unit(
        "redaction/vendors-words",
        "test_connect.py::test_a_message_of_the_vendor_decides_nothing_and_is_told_to_nobody",
        Edit("connect_error", "({status}), request {request_id}", "({status}), request {request_id}: {exc}"),
    ),
    unit(
        "redaction/unknown-number",
        "test_delivery.py::test_a_number_without_a_route_is_permanent_and_the_reason_does_not_say_the_whole_number",
        Edit(
            "lambda/bridge/errors.py",
            "last = number[-4:] if len(number) > 6 else number[-2:]",
            "last = number",
        ),
    ),
    unit(
        "redaction/words-of-a-defect",
        "test_handlers.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "FifoBatchProcessor._process_message",
            '{type(exc).__name__}"),\n                traceback',
            '{exc}"),\n                traceback',
        ),
    ),
    unit(
        "redaction/conversation-logged",
        "test_handlers.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "Reporter._result",
            "_message(result.message.key)\n",
            '_message(result.message.key) | {"conversation": result.message.group_id}\n',
        ),
    ),
    unit(
        "redaction/printed-dataclass",
        "test_notification.py::test_what_a_dataclass_prints_of_a_text_holds_no_body_and_no_number",
        Edit("InboundSms", "body: str = field(repr=False)", "body: str"),
    ),
)

_EXPLAINED = (
    unit(
        "reason/not-in-the-ledger",
        "test_promises.py::test_the_ledger_says_of_a_failed_text_why_where_and_when",
        Edit("Ledger.record_failure", 'self._outcome("failed", reason=str(error), ', 'self._outcome("failed", '),
    ),
    unit(
        "received/not-noted",
        "test_handlers.py::test_intake_notes_a_text_as_soon_as_it_is_queued",
        Edit(
            "NotificationIntake._take",
            "                self._record_receipt(message, conversation=content.group_id, at=at)\n",
            "                pass\n",
        ),
    ),
    unit(
        "received/or-not-taken",
        "test_handlers.py::test_intake_takes_a_text_also_when_it_cannot_be_noted_and_counts_it",
        Edit("NotificationIntake._record_receipt", "except LedgerError as exc:", "except ZeroDivisionError as exc:"),
    ),
    unit(
        "received/over-what-is-known",
        "test_promises.py::test_noting_that_a_text_was_queued_touches_nothing_that_is_known_of_it_already",
        Edit("Ledger.record_receipt", "if_not_exists(#{name}, :{name})", ":{name}"),
    ),
    unit(
        "failed-index/never",
        "test_promises.py::test_the_ledger_says_of_a_failed_text_why_where_and_when",
        Edit("Ledger.record_failure", '"failed_on": {"S"', '"failed_day": {"S"'),
    ),
    unit(
        "failed-index/for-ever",
        "test_promises.py::"
        "test_a_text_is_in_the_index_of_the_failed_only_while_it_is_failed_and_why_it_was_stays_known",
        Edit("_FAILED_INDEX", '_FAILED_INDEX = ("failed_on",)', "_FAILED_INDEX: tuple[str, ...] = ()"),
    ),
    unit(
        "reason/not-on-the-entry",
        "test_promises.py::test_an_entry_of_failed_says_what_went_wrong_where_and_when",
        Edit("DeadLetterQueue.send", '            "reason": str(error),\n', ""),
    ),
    unit(
        "trace/not-passed",
        (
            "test_tracing.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[text]",
            "test_tracing.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[reply]",
        ),
        Edit(_QUEUES, "                **_trace(),\n", ""),
    ),
    unit(
        "trace/of-any-form",
        "test_tracing.py::test_a_trace_that_sqs_could_refuse_stays_behind_and_the_text_goes_on",
        Edit(_QUEUES, "if not _TRACE_HEADER.fullmatch(header):", "if not header:"),
    ),
)

_STACK = (
    Mechanism(
        name="kept/undelivered-by-another-id",
        edits=(Edit("infra/queues.py", 'pin(self.queue, "UndeliveredQueue")', 'pin(self.queue, "Undelivered")'),),
        tests=("tests/infra/test_deployed_before.py::test_what_holds_texts_or_is_pointed_at_is_updated_not_made_anew",),
        control=STACK_STANDS,
    ),
    key(
        "eum-to-topic",
        'key.admit_to_topic(channel.role, name="EndUserMessaging")',
        "EndUserMessagingToTopic-TwoWayChannelRole-actions0-condition0",
    ),
    key(
        "sns-to-undelivered",
        'key.admit_sns(to="Undelivered")',
        "SnsToUndelivered-sns.amazonaws.com-actions1-condition1",
    ),
    key(
        "functions-to-queues",
        "key.admit_to_queues(function.role, name=function.sid)",
        "IntakeToQueues-intake-actions2-condition2",
        "ForwardToQueues-forward-actions4-condition4",
    ),
    key(
        "functions-to-ledger",
        "key.admit_to_ledger(function.role, name=function.sid)",
        "IntakeToLedger-intake-actions3-condition3",
        "ForwardToLedger-forward-actions5-condition5",
    ),
    key("logs", "key.admit_logs()", "LogsToLogGroups-logs.${AWS::Region}.amazonaws.com-actions6-condition6"),
    key("cloudwatch", "key.admit_cloudwatch()", "CloudWatchToAlarms-cloudwatch.amazonaws.com-actions7-condition7"),
    stack(
        "key-policy/any-service",
        Edit(
            "BridgeKey.admit_to_topic",
            'self._admit(f"{name}ToTopic", role, MESSAGES, _through("sns"))',
            'self._admit(f"{name}ToTopic", role, MESSAGES)',
        ),
        "test_the_key_admits_who_writes[EndUserMessagingToTopic-TwoWayChannelRole-actions0-condition0]",
    ),
    stack(
        "key-policy/undelivered-in-clear",
        Edit(
            "infra/queues.py",
            f"            encryption_master_key=key.key,\n{_UNDELIVERED}",
            _UNDELIVERED,
        ),
        "test_everything_at_rest_is_encrypted_with_the_one_key",
    ),
    stack(
        "least-privilege/one-action-more",
        Edit(
            "BridgeStack.__init__",
            'forward.may("sqs:SendMessage", on',
            'forward.may("sqs:SendMessage", "sqs:PurgeQueue", on',
        ),
        "test_each_role_may_do_exactly_this",
    ),
    stack(
        "least-privilege/any-account",
        Edit(
            "TwoWayChannelRole.__init__",
            '"sms-voice.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}',
            '"sms-voice.amazonaws.com"',
        ),
        "test_only_end_user_messaging_for_this_account_takes_the_two_way_channel_role",
    ),
    stack(
        "tls/topic",
        Edit("InboundTopic.__init__", ", enforce_ssl=True", ""),
        "test_the_topic_policy_refuses_whoever_comes_without_tls_and_lets_nobody_in",
    ),
    refused(
        "tls/undelivered",
        "AwsSolutions-SQS4",
        Edit("infra/queues.py", _UNDELIVERED, _UNDELIVERED.replace("enforce_ssl=True", "enforce_ssl=False")),
    ),
    refused(
        "visibility/once-the-time-out", "less than 6 times", Edit("VISIBILITY", "VISIBILITY = 6", "VISIBILITY = 1")
    ),
    stack(
        "partial-batches/off",
        Edit("Forward.take_from", "report_batch_item_failures=True", "report_batch_item_failures=False"),
        "test_forward_gets_batches_of_conversations_and_returns_parts_of_them",
    ),
    stack(
        "dead-letters/of-the-subscription",
        Edit(
            "Intake.take_from",
            "LambdaSubscription(self.function, dead_letter_queue=undelivered.queue)",
            "LambdaSubscription(self.function)",
        ),
        "test_what_sns_cannot_hand_to_intake_goes_to_undelivered",
    ),
    stack(
        "dead-letters/of-intake",
        Edit("Intake.take_from", "            on_failure=destinations.SqsDestination(undelivered.queue),\n", ""),
        "test_what_intake_crashes_on_goes_to_undelivered",
    ),
    stack(
        "retention/four-days",
        Edit("LONGEST", "LONGEST = Duration.days(14)", "LONGEST = Duration.days(4)"),
        "test_queues_keep_what_they_hold_as_long_as_sqs_can",
    ),
    stack(
        "kept/not-retained",
        Edit("infra/pinned.py", "    policies.retain() if protected else policies.retain_on_update_or_delete()\n", ""),
        "test_what_is_kept_survives_deletion_and_replacement_with_its_policies[FailedQueue]",
        "test_what_is_kept_survives_deletion_and_replacement_with_its_policies[InboundTopic]",
    ),
    stack(
        "kept/topic-not-pinned",
        Edit("InboundTopic.__init__", '        pin(self.topic, "InboundTopic")\n', ""),
        "test_what_is_kept_is_all_that_holds_texts_or_is_pointed_at",
    ),
    stack(
        "kept/on-a-rolled-back-creation",
        Edit("infra/pinned.py", "policies.retain_on_update_or_delete()", "policies.retain()"),
        "test_a_first_deployment_that_is_rolled_back_keeps_only_what_cannot_be_deleted",
    ),
    stack(
        "kept/protected-tables-deleted-by-a-rollback",
        Edit("infra/table.py", "pin(self.table, construct_id, protected=True)", "pin(self.table, construct_id)"),
        "test_a_first_deployment_that_is_rolled_back_keeps_only_what_cannot_be_deleted",
    ),
    *(
        stack(
            f"logical-ids/{name}",
            Edit(file, line, ""),
            "test_a_construct_that_moves_takes_its_logical_id_along",
        )
        for name, file, line in (
            ("subscription", "infra/intake.py", "        fix(subscription, ids.subscription)\n"),
            ("permission", "infra/intake.py", "        fix(permission, ids.permission)\n"),
            (
                "invoke-config",
                "infra/intake.py",
                '        fix(beside.find_child("EventInvokeConfig"), ids.invoke_config)\n',
            ),
            ("event-source-mapping", "infra/forward.py", "        fix(batches, BATCHES[self.name])\n"),
            ("function", "infra/function.py", "        fix(self.function, ids.function)\n"),
            ("role", "infra/function.py", "        fix(self.role, ids.role)\n"),
            ("log-group", "infra/function.py", "        fix(self.log_group, ids.log_group)\n"),
        )
    ),
    stack(
        "logical-ids/alarm-email",
        Edit("infra/alarms.py", "endpoint=email), ALARM_EMAIL)", 'endpoint=email), "AlarmTopicEmail")'),
        "test_a_construct_that_moves_takes_its_logical_id_along",
    ),
    stack(
        "logical-ids/another-one",
        Edit("infra/pinned.py", '"IntakeFunctionTopic999C9258"', '"InboundTopicSubscription"'),
        "test_what_would_be_lost_if_it_were_made_anew_keeps_its_logical_id",
    ),
    stack(
        "tracing/before-it-is-allowed",
        Edit("infra/function.py", "        self.function.node.add_dependency(policy)\n", ""),
        "test_a_function_waits_for_every_policy_of_its_role",
    ),
    checked(
        "branches-not-counted",
        Edit("infra/filter_policies.py", "sum(map(keys, value)) if is_or(name, value)", "1 if is_or(name, value)"),
        "test_a_filter_policy_that_sns_refuses_is_found_of_every_subscription[policy1-rules1]",
        "test_synth_fails_when_the_filter_policy_has_a_key_too_many",
    ),
    checked(
        "combinations-not-counted",
        Edit(
            "infra/filter_policies.py",
            "        else:\n            total *= depth * ",
            "        else:\n            total += 0 * ",
        ),
        "test_a_filter_policy_that_sns_refuses_is_found_of_every_subscription[policy9-rules9]",
        "test_a_finding_of_a_filter_policy_names_the_limit",
    ),
)

_TOLD = (
    unit(
        "metrics/another-name",
        "test_measures.py::test_each_function_writes_exactly_the_metrics_that_are_listed_for_it[forward]",
        Edit("counts_of", '"Blocked": sum(', '"TextsBlocked": sum('),
    ),
    unit(
        "metrics/no-age-of-what-waits",
        "test_measures.py::"
        "test_how_long_a_text_has_waited_is_measured_each_time_it_is_given_back_and_not_of_its_followers",
        Edit(
            "Reporter.batch",
            "metrics.add_metric(SECONDS_WAITING, MetricUnit.Seconds, result.waited)",
            "continue",
        ),
    ),
    unit(
        "logs/without-the-text-key",
        "test_measures.py::test_every_log_line_says_which_text_it_is_about[intake]",
        Edit("logging._message", 'return {"correlation_id": key}', "return {}"),
    ),
    page(
        "dashboard/nothing-of-how-fast",
        Edit("Dashboard.__init__", "            *(_fast(way) for way in ways),\n", ""),
        "test_nothing_is_on_it_that_nobody_writes_and_everything_that_the_functions_write_is",
    ),
    page(
        "queries/a-field-that-is-not-there",
        Edit("QUERIES", "filter correlation_id =", "filter text_key ="),
        "test_they_read_fields_that_log_lines_have",
    ),
    alarm(
        "only-sqs-own-age",
        Edit("Alarms.__init__", "            self._waiting(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-undelivered-did-not-get",
        Edit("infra/alarms.py", "            self._not_kept(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-sns-could-not-redrive",
        Edit("infra/alarms.py", "            self._not_redriven(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-lambda-drops",
        Edit("infra/alarms.py", "            self._dropped(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "asleep-is-well",
        Edit(
            "Alarms._holds_anything",
            "at_least=1,\n            missing=cloudwatch.TreatMissingData.IGNORE",
            "at_least=1,\n            missing=cloudwatch.TreatMissingData.NOT_BREACHING",
        ),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "no-data-is-well",
        Edit("Alarms._silence", "TreatMissingData.BREACHING", "TreatMissingData.NOT_BREACHING"),
        "test_with_replies_and_an_expectation_of_texts_the_alarms_are_these",
    ),
    alarm(
        "another-namespace",
        Edit(
            "BridgeFunction.__init__",
            '"POWERTOOLS_METRICS_NAMESPACE": self._namespace',
            '"POWERTOOLS_METRICS_NAMESPACE": "A"',
        ),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "nobody-is-told",
        Edit("Alarms._alarm", "        alarm.add_alarm_action(self._action)\n", ""),
        "test_every_alarm_tells_the_topic_when_it_begins_and_when_it_is_over",
    ),
    alarm(
        "cloudwatch-shut-out",
        Edit("AlarmTopic.__init__", 'actions=["sns:Publish"]', 'actions=["sns:Subscribe"]'),
        "test_cloudwatch_for_the_alarms_of_this_stack_and_nobody_else_is_let_into_the_topic",
    ),
    alarm(
        "any-alarm-of-the-account",
        Edit("alarms_of_this_stack", "alarm:{Aws.STACK_NAME}-*", "alarm:*"),
        "test_cloudwatch_for_the_alarms_of_this_stack_and_nobody_else_is_let_into_the_topic",
    ),
)

_ARCHIVE = (
    archive(
        "byte-code/of-another-runtime",
        "test_each_module_has_byte_code_of_the_configured_runtime",
        Edit("infra/bytecode.py", 'runtime.replace("python", "pyodide-")', '"pyodide-3.12"'),
    ),
    archive(
        "byte-code/none",
        "test_each_module_has_byte_code_of_the_configured_runtime",
        Edit("infra/packaging.py", "                compiler.compile(folder)\n", "                pass\n"),
    ),
    archive(
        "byte-code/by-whatever-is-installed",
        "test_a_compiler_of_another_version_than_the_pinned_one_is_none",
        Edit("infra/bytecode.py", 'rf"npm:pyodide@{re.escape(installed)}"', '".*"'),
    ),
    archive(
        "same-archive/names-where-it-was-made",
        "test_equal_sources_are_the_same_archive_byte_for_byte_on_any_machine",
        Edit("infra/bytecode.py", "self.package, folder, _UNPACKED]", "self.package, folder, folder]"),
    ),
    archive(
        "same-archive/modes-as-the-mask-says",
        "test_equal_sources_are_the_same_archive_byte_for_byte_on_any_machine",
        Edit("infra/packaging.py", "            _settle(making)\n", ""),
    ),
    archive(
        "without-byte-code/in-silence",
        "test_without_a_compiler_packaging_says_what_that_costs",
        Edit("infra/packaging.py", "sys.stderr.write(", "str("),
    ),
)

MECHANISMS: tuple[Mechanism, ...] = (
    *_GROUPS,
    *_LEDGER_AND_ONCE,
    *_TROUBLE,
    *_POLITE,
    *_SHOWN,
    *_PRIVATE,
    *_EXPLAINED,
    *_STACK,
    *_TOLD,
    *_ARCHIVE,
    *start_chat.MECHANISMS,
    *replies.MECHANISMS,
    *operating.MECHANISMS,
    *leaving.MECHANISMS,
    *limits.MECHANISMS,
    *permissions.MECHANISMS,
    *edges.MECHANISMS,
)

QUICK = (
    "group-lock/one-per-text",
    "ledger-read/none",
    "ledger-write/before-the-answer",
    "deduplication/redrive",
    "blocked/as-permanent",
)
"""Those that `make test` takes out too."""
