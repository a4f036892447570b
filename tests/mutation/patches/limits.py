"""What is taken out of what keeps the bridge within the limits of SQS and SNS, and of the limits themselves."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import stack, unit

_LIMITS = "sandbox/aws_limits.py"
_BETWEEN = "test_no_text_gets_between_the_parts_of_a_text_queued_behind_it"
_TAKEN = "tests/unit/sandbox/test_aws_limits.py::test_sqs_takes_a_message_at_every_limit"
"""Passes whatever limit is raised."""

MUTATIONS: tuple[Mutation, ...] = (
    unit(
        "order/first-of-the-queue-first",
        f"bridge/test_promises.py::{_BETWEEN}",
        Edit(
            "FifoBatchProcessor._return_to_queue",
            "last = _heads_out_of_order(retries)",
            "last = list[Retry]()",
        ),
    ),
    unit(
        "order/hidden-by-one-call",
        f"bridge/test_promises.py::{_BETWEEN}[integration-event-True]",
        Edit(
            "FifoBatchProcessor._return_to_queue",
            "retry.delay) for retry in others])",
            "retry.delay + (_ONE_SECOND if retry in last else 0)) for retry in retries])",
        ),
    ),
    unit(
        "limits/characters-in-a-reason",
        "sandbox/test_aws_limits.py::test_sqs_takes_every_text_whatever_is_in_it",
        Edit(
            "lambda/bridge/errors.py",
            '"".join(character if " " < character <= "~" else "?" for character in last)',
            "last",
        ),
        Edit("lambda/bridge/aws/queues.py", '_REFUSED.sub("?", value)', "value"),
    ),
    unit(
        "limits/six-bytes-for-one",
        "sandbox/test_aws_limits.py::test_the_largest_text_of_sns_fits_into_its_queue_and_into_failed[\\x7f]",
        Edit("lambda/bridge/processing/notification.py", "_LARGEST_BODY = 1_000_000", "_LARGEST_BODY = 10_000_000"),
    ),
    unit(
        "limits/characters-that-json-leaves",
        "sandbox/test_aws_limits.py::"
        "test_the_largest_notification_that_is_no_text_fits_into_failed[both ways of escaping]",
        Edit("lambda/bridge/processing/notification.py", "body = _REFUSED.sub(", "body = re.compile('$^').sub("),
    ),
    stack(
        "limits/size-by-default",
        Edit("infra/storage.py", "MAX_MESSAGE_BYTES = 1_048_576", "MAX_MESSAGE_BYTES = 262_144"),
        "test_stack.py::test_queues_have_the_maximum_retention_and_message_size",
    ),
    unit(
        "limits/seven-keys",
        "sandbox/test_aws_limits.py::test_sns_refuses_a_filter_policy_with[six keys]",
        Edit(_LIMITS, "MOST_KEYS = 5", "MOST_KEYS = 7"),
        control=_TAKEN,
    ),
    unit(
        "limits/keys-of-one-branch",
        "sandbox/test_aws_limits.py::test_sns_refuses_a_filter_policy_with[two keys in each of three branches]",
        Edit(_LIMITS, "in value:\n                yield from occ", "in value[:1]:\n                yield from occ"),
        control=_TAKEN,
    ),
    unit(
        "limits/eleven-attributes",
        "sandbox/test_aws_limits.py::test_sqs_refuses_a_message_with[eleven attributes]",
        Edit(_LIMITS, "MOST_ATTRIBUTES = 10", "MOST_ATTRIBUTES = 11"),
        control=_TAKEN,
    ),
    unit(
        "limits/body-alone",
        "sandbox/test_aws_limits.py::test_sqs_refuses_a_message_with[too large with attributes]",
        Edit(_LIMITS, " + _size_of_attributes(message)\n\n\ndef _size", "\n\n\ndef _size"),
        control=_TAKEN,
    ),
    Mutation(
        name="fifo-model/a-group-waits-as-a-whole",
        edits=(
            Edit(
                "testing/models/fifo.py",
                "                for message in list(waiting):\n",
                "                for message in [] if any(m.visible_at > now for m in waiting) else list(waiting):\n",
            ),
        ),
        tests=(
            "tests/unit/testing/test_fifo_model.py::test_what_is_before_a_hidden_message_of_its_group_is_handed_out",
        ),
        control="tests/unit/testing/test_fifo_model.py::test_what_is_behind_a_hidden_message_of_its_group_waits",
    ),
    unit(
        "first-deploy/evidence-unseen",
        "ops/doctor/test_first_deploy.py::test_evidence_settles_what_somebody_did_and_without_it_the_step_is_told",
        Edit("ops/doctor/first_deploy.py", "sum(preflight.metric(", "0 * sum(preflight.metric("),
    ),
    unit(
        "first-deploy/one-spelling",
        "ops/doctor/test_first_deploy.py::test_a_phone_is_looked_for_in_each_spelling",
        Edit("ops/doctor/first_deploy.py", 'return [f"+{digits}", digits, *national]', 'return [f"{digits}?"]'),
    ),
)
