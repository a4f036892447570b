"""What the synthesised stack has."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import STACK_STANDS, checked, key, refused, stack

_STACK = (
    Mutation(
        name="kept/undelivered-by-another-id",
        edits=(Edit("infra/storage.py", 'f"{construct_id}Queue"', 'f"{construct_id}Queue" if fifo else construct_id'),),
        tests=("tests/infra/test_deployed_before.py::test_what_holds_texts_or_is_pointed_at_is_updated_not_made_anew",),
        control=STACK_STANDS,
    ),
    key(
        "eum-to-topic",
        'key.grant_topic(channel.role, name="EndUserMessaging")',
        "EndUserMessagingToTopic-TwoWayChannelRole-actions0-condition0",
    ),
    key(
        "sns-to-undelivered",
        'key.grant_sns(to="Undelivered")',
        "SnsToUndelivered-sns.amazonaws.com-actions1-condition1",
    ),
    key(
        "functions-to-queues",
        "key.grant_queues(function.role, name=function.camel_name)",
        "IntakeToQueues-intake-actions2-condition2",
        "ForwardToQueues-forward-actions4-condition4",
    ),
    key(
        "functions-to-ledger",
        "key.grant_tables(function.role, name=function.camel_name)",
        "IntakeToLedger-intake-actions3-condition3",
        "ForwardToLedger-forward-actions5-condition5",
    ),
    key("logs", "key.grant_logs()", "LogsToLogGroups-logs.${AWS::Region}.amazonaws.com-actions6-condition6"),
    key("cloudwatch", "key.grant_cloudwatch()", "CloudWatchToAlarms-cloudwatch.amazonaws.com-actions7-condition7"),
    stack(
        "key-policy/any-service",
        Edit(
            "BridgeKey.grant_topic",
            'self._grant(f"{name}ToTopic", role, MESSAGES, _via("sns"))',
            'self._grant(f"{name}ToTopic", role, MESSAGES)',
        ),
        "test_access.py::test_the_key_policy_allows_each_writer[EndUserMessagingToTopic-TwoWayChannelRole-actions0-condition0]",
    ),
    stack(
        "key-policy/undelivered-in-clear",
        Edit(
            "infra/storage.py",
            "        encryption_master_key=key.key,\n",
            "        encryption_master_key=key.key if fifo else None,\n",
        ),
        "test_access.py::test_everything_at_rest_is_encrypted_with_the_one_key",
    ),
    stack(
        "least-privilege/one-action-more",
        Edit(
            "Pipeline._connect_worker",
            'self.worker.allow("sqs:SendMessage", on',
            'self.worker.allow("sqs:SendMessage", "sqs:PurgeQueue", on',
        ),
        "test_access.py::test_each_role_has_exactly_these_permissions",
    ),
    stack(
        "least-privilege/any-account",
        Edit(
            "TwoWayChannel.__init__",
            '"sms-voice.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}',
            '"sms-voice.amazonaws.com"',
        ),
        "test_access.py::test_only_end_user_messaging_of_this_account_assumes_the_channel_role",
    ),
    stack(
        "tls/topic",
        Edit("Topic.__init__", ", enforce_ssl=True", ""),
        "test_access.py::test_the_topic_policy_denies_requests_without_tls_and_allows_nothing",
    ),
    refused(
        "tls/undelivered",
        "AwsSolutions-SQS4",
        Edit("infra/storage.py", "        enforce_ssl=True,\n", "        enforce_ssl=fifo,\n"),
    ),
    refused(
        "visibility/once-the-time-out",
        "less than 6 times",
        Edit("VISIBILITY_TIMEOUTS", "VISIBILITY_TIMEOUTS = 6", "VISIBILITY_TIMEOUTS = 1"),
    ),
    stack(
        "partial-batches/off",
        Edit("Pipeline._connect_worker", "report_batch_item_failures=True", "report_batch_item_failures=False"),
        "test_stack.py::test_forward_gets_batches_and_reports_batch_item_failures",
    ),
    stack(
        "dead-letters/of-the-subscription",
        Edit(
            "Pipeline._subscribe_intake",
            "LambdaSubscription(function, dead_letter_queue=undelivered)",
            "LambdaSubscription(function)",
        ),
        "test_stack.py::test_what_sns_cannot_deliver_to_intake_goes_to_undelivered",
    ),
    stack(
        "dead-letters/of-intake",
        Edit("Pipeline._subscribe_intake", "            on_failure=destinations.SqsDestination(undelivered),\n", ""),
        "test_stack.py::test_what_intake_crashes_on_goes_to_undelivered",
    ),
    stack(
        "retention/four-days",
        Edit("RETENTION", "RETENTION = Duration.days(14)", "RETENTION = Duration.days(4)"),
        "test_stack.py::test_queues_have_the_maximum_retention_and_message_size",
    ),
    stack(
        "kept/not-retained",
        Edit(
            "infra/logical_ids.py",
            "    policies.retain() if protected else policies.retain_on_update_or_delete()\n",
            "",
        ),
        "test_retention.py::test_retained_resources_survive_deletion_and_replacement_with_policies[FailedQueue]",
        "test_retention.py::test_retained_resources_survive_deletion_and_replacement_with_policies[InboundTopic]",
    ),
    stack(
        "kept/topic-not-retained",
        Edit("Topic.__init__", "        retain(self.topic, logical_id)\n", ""),
        "test_retention.py::test_every_topic_key_queue_and_table_is_retained",
    ),
    stack(
        "kept/on-a-rolled-back-creation",
        Edit("infra/logical_ids.py", "policies.retain_on_update_or_delete()", "policies.retain()"),
        "test_retention.py::test_a_rolled_back_first_deployment_keeps_only_protected_tables",
    ),
    stack(
        "kept/protected-tables-deleted-by-a-rollback",
        Edit(
            "infra/storage.py", "retain(self.table, construct_id, protected=True)", "retain(self.table, construct_id)"
        ),
        "test_retention.py::test_a_rolled_back_first_deployment_keeps_only_protected_tables",
    ),
    *(
        stack(
            f"logical-ids/{name}",
            Edit(file, line, ""),
            "test_retention.py::test_a_construct_that_moves_keeps_its_logical_id",
        )
        for name, file, line in (
            ("subscription", "infra/pipeline.py", '        set_logical_id(subscription, ids["subscription"])\n'),
            ("permission", "infra/pipeline.py", '        set_logical_id(permission, ids["permission"])\n'),
            (
                "invoke-config",
                "infra/pipeline.py",
                '        set_logical_id(function.node.find_child("EventInvokeConfig"), ids["invoke_config"])\n',
            ),
            (
                "event-source-mapping",
                "infra/pipeline.py",
                '        set_logical_id(event_source, FUNCTIONS[self.worker.name]["event_source"])\n',
            ),
            ("function", "infra/function.py", '        set_logical_id(self.function, ids["function"])\n'),
            ("role", "infra/function.py", '        set_logical_id(self.role, ids["role"])\n'),
            ("log-group", "infra/function.py", '        set_logical_id(self.log_group, ids["log_group"])\n'),
        )
    ),
    stack(
        "logical-ids/alarm-email",
        Edit("infra/monitoring/__init__.py", "set_logical_id(subscription, ALARM_EMAIL)", "pass"),
        "test_retention.py::test_a_construct_that_moves_keeps_its_logical_id",
    ),
    stack(
        "logical-ids/another-one",
        Edit("infra/logical_ids.py", '"IntakeFunctionTopic999C9258"', '"InboundTopicSubscription"'),
        "test_retention.py::test_logical_ids_are_those_of_the_first_deployment",
    ),
    stack(
        "tracing/before-it-is-allowed",
        Edit("infra/function.py", "        self.function.node.add_dependency(policy)\n", ""),
        "test_access.py::test_a_function_waits_for_every_policy_of_its_role",
    ),
    checked(
        "branches-not-counted",
        Edit("infra/checks.py", "sum(map(_keys, value)) if _is_or(name, value)", "1 if _is_or(name, value)"),
        "test_a_filter_policy_that_sns_refuses_is_found_of_every_subscription[policy1-rules1]",
        "test_synth_fails_when_the_filter_policy_has_a_key_too_many",
    ),
    checked(
        "combinations-not-counted",
        Edit(
            "infra/checks.py",
            "        else:\n            total *= depth * ",
            "        else:\n            total += 0 * ",
        ),
        "test_a_filter_policy_that_sns_refuses_is_found_of_every_subscription[policy9-rules9]",
        "test_a_finding_of_a_filter_policy_names_the_limit",
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_STACK,)
