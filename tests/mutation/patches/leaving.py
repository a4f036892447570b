"""What is taken out of where a stack belongs, and of what stays when start-chat delivery is left."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import STACK_STANDS, unit

_MISTAKE = "infra/test_mistakes.py::test_each_mistake_has_its_line_place_and_remedy"
_SAMPLE = "tests/unit/infra/test_config.py::test_the_sample_is_valid"


def _leaving(name: str, edit: Edit, test: str) -> Mutation:
    return Mutation(
        name=f"leaving/{name}", edits=(edit,), tests=(f"tests/infra/test_leaving.py::{test}",), control=STACK_STANDS
    )


MUTATIONS: tuple[Mutation, ...] = (
    _leaving(
        "path-dropped-on-the-switch",
        Edit("infra/stack.py", "if config.instances():", "if config.contact_flows():"),
        "test_switching_the_delivery_does_not_change_the_reply_pipeline",
    ),
    _leaving(
        "instance-shut-out",
        Edit("infra/start_chat.py", "list(config.instances())", "list(config.instances())[:1]"),
        "test_connect_may_publish_for_every_instance_that_is_named",
    ),
    _leaving(
        "may-not-text-for-who-switched",
        Edit(
            "infra/start_chat.py",
            "for number in config.numbers:  #",
            "for number in [*filter(config.starts_chats, config.numbers)] or config.numbers[:1]:  #",
        ),
        "test_replies_are_texted_from_every_number_whatever_its_delivery_is_now",
    ),
    unit(
        "leaving/nobody-is-told-of-open-chats",
        "ops/doctor/test_contact_centre.py::test_open_chats_are_counted_where_their_instance_is_no_longer_used[-3-found0]",
        Edit("ops/doctor/contact_centre.py", '    Check("open chats", open_chats),\n', ""),
    ),
    unit(
        "leaving/flow-without-an-instance",
        (f"{_MISTAKE}[flow without instance]", f"{_MISTAKE}[number's flow without instance]"),
        Edit("infra/config/rules.py", "    _flow_without_instance,\n", ""),
        control=_SAMPLE,
    ),
    unit(
        "leaving/a-reply-as-a-text",
        "ops/failed/test_redrive.py::test_a_reply_of_a_stack_without_a_reply_path_stays_in_failed_and_is_told",
        Edit("Redrive._wanted", "if message.source not in self.outputs:", "if False:"),
        Edit("_is_reply", '    if "stage" in attributes:\n', '    if "stage" in attributes and replies:\n'),
    ),
    unit(
        "place/any-account",
        (f"{_MISTAKE}[odd account]", f"{_MISTAKE}[topic's account]", f"{_MISTAKE}[instance's account]"),
        Edit("infra/config/rules.py", "    _locations,\n", ""),
        control=_SAMPLE,
    ),
    unit(
        "place/any-partition",
        (f"{_MISTAKE}[a partition without Connect]", f"{_MISTAKE}[a Region of another partition]"),
        Edit("infra/config/values.py", "    if partition not in PARTITIONS:\n", "    return arn\n    if partition:\n"),
        control=_SAMPLE,
    ),
    Mutation(
        name="place/any-profile",
        edits=(Edit("app.py", ", env=cdk.Environment(account=account, region=region)", ", env=cdk.Environment()"),),
        tests=("tests/infra/test_location.py::test_the_stack_is_for_the_account_and_region_of_the_numbers",),
        control=STACK_STANDS,
    ),
)
