"""What the synthesised stack has."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import STACK_STANDS, checked, key, refused, stack

_UNDELIVERED = '            enforce_ssl=True,\n        )\n        pin(self.queue, "UndeliveredQueue")'

_STACK = (
    Mutation(
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

MUTATIONS: tuple[Mutation, ...] = (*_STACK,)
