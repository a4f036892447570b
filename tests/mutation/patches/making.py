"""Builders of mutations."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation

IN_ORDER = "tests/unit/bridge/processing/test_batch.py::test_texts_of_a_conversation_are_shown_in_their_order"
"""Passes whatever is taken out of the functions: the bridge itself still works, by either way into a chat."""
BY_EVENTS = f"{IN_ORDER}[integration-event]"
"""Control for mutations of start-chat delivery."""
STACK_STANDS = "tests/infra/test_stack.py::test_functions_run_on_arm64_with_active_tracing[forward]"
"""Control for mutations of the stack: it is still synthesised."""


def unit(name: str, test: str | tuple[str, ...], *edits: Edit, control: str | None = IN_ORDER) -> Mutation:
    """A mutation of the functions. `test`: file in tests/unit and name, of all its cases or of one."""
    tests = (test,) if isinstance(test, str) else test
    return Mutation(name=name, edits=edits, tests=tuple(f"tests/unit/{each}" for each in tests), control=control)


def stack(name: str, edit: Edit, *tests: str) -> Mutation:
    """`tests`: file in tests/infra and name."""
    return Mutation(
        name=name,
        edits=(edit,),
        tests=tuple(f"tests/infra/{test}" for test in tests),
        control=STACK_STANDS,
    )


def archive(name: str, test: str, edit: Edit) -> Mutation:
    """A mutation of packaging. The control needs no byte-code."""
    page = "tests/infra/test_packaging.py"
    control = f"{page}::test_a_dependency_that_is_not_the_locked_one_is_not_packaged"
    return Mutation(name=f"archive/{name}", edits=(edit,), tests=(f"{page}::{test}",), control=control)


def refused(name: str, says: str, edit: Edit) -> Mutation:
    """Taken out, synth itself refuses: there is no stack for a control to look at, so the words must be right."""
    test = "tests/infra/test_checks.py::test_synth_accepts_each_configuration[default]"
    return Mutation(name=name, edits=(edit,), tests=(test,), control=None, says=says)


def refused_with_replies(name: str, says: str, edit: Edit) -> Mutation:
    """The same of what the stack has for a number with start-chat delivery; that of the default one still stands."""
    test = "tests/infra/test_checks.py::test_synth_accepts_each_configuration[start-chat]"
    return Mutation(name=name, edits=(edit,), tests=(test,), control=STACK_STANDS, says=says)


def checked(name: str, edit: Edit, *tests: str) -> Mutation:
    """Of what synth checks."""
    return Mutation(
        name=f"filter-limits/{name}",
        edits=(edit,),
        tests=tuple(f"tests/infra/test_checks.py::{test}" for test in tests),
        control="tests/infra/test_checks.py::test_the_times_of_the_default_configuration_fit",
    )


def alarm(name: str, edit: Edit, test: str) -> Mutation:
    return Mutation(
        name=f"alarms/{name}", edits=(edit,), tests=(f"tests/infra/test_alarms.py::{test}",), control=STACK_STANDS
    )


def page(name: str, edit: Edit, test: str) -> Mutation:
    """Of the dashboard, or of the saved queries."""
    return Mutation(name=name, edits=(edit,), tests=(f"tests/infra/test_dashboard.py::{test}",), control=STACK_STANDS)


def with_replies(name: str, edit: Edit, *tests: str) -> Mutation:
    """Of what the stack has for a number with start-chat delivery."""
    return Mutation(
        name=name,
        edits=(edit,),
        tests=tuple(f"tests/infra/test_replies.py::{test}" for test in tests),
        control="tests/infra/test_replies.py::test_the_log_groups_of_replies_have_the_same_retention_and_key",
    )


def key(name: str, line: str, *sids: str) -> Mutation:
    """One statement of the key's policy, or one of each function."""
    return stack(
        f"key-policy/{name}",
        Edit("BridgeStack.__init__", line, "pass"),
        *(f"test_access.py::test_the_key_policy_allows_each_writer[{sid}]" for sid in sids),
    )
