"""The policies in the account, compared with those that were deployed, and what IAM answers about the roles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.doctor.findings import Check, Finding, about, cannot_tell, fail, of_each, unless, warn
from ops.doctor.preflight import Preflight, Resource
from ops.doctor.template import UnresolvedError, resolve

CHANNEL_ROLE = "TwoWayChannelRole"
"""The logical id of End User Messaging's role."""


def topics(preflight: Preflight) -> Iterator[Finding]:
    def check(resource: Resource) -> Iterator[Finding]:
        for topic in resolve(resource.properties["Topics"], preflight):
            answer = preflight.find("sns", "get_topic_attributes", TopicArn=topic)
            live = answer and answer["Attributes"].get("Policy")
            yield from _compared(preflight, _name(topic), resource.properties["PolicyDocument"], live)

    yield from of_each(preflight.all("SNS::TopicPolicy"), check, "as deployed")


def queues(preflight: Preflight) -> Iterator[Finding]:
    def check(resource: Resource) -> Iterator[Finding]:
        for url in resolve(resource.properties["Queues"], preflight):
            answer = preflight.find("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["Policy"])
            live = answer and answer.get("Attributes", {}).get("Policy")
            yield from _compared(preflight, _name(url), resource.properties["PolicyDocument"], live)

    yield from of_each(preflight.all("SQS::QueuePolicy"), check, "as deployed")


def key(preflight: Preflight) -> Iterator[Finding]:
    """The key must be enabled, with the policy that was deployed."""

    def check(resource: Resource) -> Iterator[Finding | None]:
        key_id = resource.physical_id
        answer = preflight.find("kms", "describe_key", KeyId=key_id)
        state = answer["KeyMetadata"]["KeyState"] if answer else "gone"
        yield from about(key_id, of_key(key_id, state))
        if state != "gone":
            live = preflight.ask("kms", "get_key_policy", KeyId=key_id, PolicyName="default")["Policy"]
            yield from _compared(preflight, key_id, resource.properties["KeyPolicy"], live)

    yield from of_each(preflight.all("KMS::Key"), check, "as deployed")


def of_key(key_id: str, state: str) -> Finding | None:
    """`state` is KMS's, or "gone"."""
    mend = {
        "Disabled": ("enable it", f"aws kms enable-key --key-id {key_id}"),
        "PendingDeletion": ("keep it, then enable it", f"aws kms cancel-key-deletion --key-id {key_id}"),
    }
    if state == "Enabled":
        return None
    remedy, command = mend.get(state, ("ask who changed it", ""))
    return fail(f"is {state}: nothing can be written or read", remedy, command)


def channel_role(preflight: Preflight) -> Iterator[Finding]:
    role = preflight.resources[CHANNEL_ROLE]
    yield from unless(_role(preflight, role), "as deployed: End User Messaging publishes in it")


def function_roles(preflight: Preflight) -> Iterator[Finding]:
    wanted = [role for role in preflight.all("IAM::Role") if role.logical_id != CHANNEL_ROLE]
    yield from of_each(wanted, lambda role: _role(preflight, role), "as deployed")


def _role(preflight: Preflight, resource: Resource) -> Iterator[Finding | None]:
    name = resource.physical_id
    role = preflight.find("iam", "get_role", RoleName=name)
    if role is None:
        yield fail("is gone", "put it back", preflight.restore, about=name)
        return
    trust = role["Role"]["AssumeRolePolicyDocument"]
    yield from _compared(preflight, f"{name} (trust)", resource.properties["AssumeRolePolicyDocument"], trust)
    for policy in preflight.all("IAM::Policy"):
        if {"Ref": resource.logical_id} in policy.properties["Roles"]:
            its_name = policy.properties["PolicyName"]
            answer = preflight.find("iam", "get_role_policy", RoleName=name, PolicyName=its_name)
            yield from _compared(
                preflight, name, policy.properties["PolicyDocument"], answer and answer["PolicyDocument"]
            )


def permissions(preflight: Preflight) -> Iterator[Finding]:
    """What IAM's simulation answers: it also knows permissions boundaries and an organization's policies."""
    yield from unless(_permissions(preflight), "the roles may do what they are for")


def _permissions(preflight: Preflight) -> Iterator[Finding | None]:
    config = preflight.config
    role = preflight.resources[CHANNEL_ROLE]
    yield from _simulated(preflight, role.physical_id, "sns:Publish", preflight.output("InboundTopicArn"))
    forward = _role_of(preflight, preflight.output("ForwardFunctionName"))
    if not all(config.starts_chats(number) for number in config.numbers):
        yield from _simulated(preflight, forward, "connect:SendChatIntegrationEvent", "*")
    for arns in config.contact_flows().values():
        yield from _simulated(preflight, forward, "connect:StartChatContact", *arns)
    if config.instances():
        texting = [number.arn for number in config.numbers]
        reply = _role_of(preflight, preflight.output("ReplyFunctionName"))
        yield from _simulated(preflight, reply, "sms-voice:SendTextMessage", *texting)


def _role_of(preflight: Preflight, function: str) -> str:
    (found,) = (one for one in preflight.all("Lambda::Function") if one.physical_id == function)
    return _name(resolve(found.properties["Role"], preflight))


def _simulated(preflight: Preflight, role: str, action: str, *resources: str) -> Iterator[Finding]:
    arn = f"arn:{preflight.pseudo['AWS::Partition']}:iam::{preflight.identity.account}:role/{role}"
    answer = preflight.find(
        "iam", "simulate_principal_policy", PolicySourceArn=arn, ActionNames=[action], ResourceArns=[*resources]
    )
    yield from about(role, of_simulation(action, answer["EvaluationResults"] if answer else []))


def of_simulation(action: str, results: list[Mapping[str, Any]]) -> Finding | None:
    refused = [result for result in results if result["EvalDecision"] != "allowed"]
    if not refused:
        return None
    by_organization = any(
        result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False for result in refused
    )
    why = "your organization's policies do not let it" if by_organization else str(refused[0]["EvalDecision"])
    return fail(
        f"may not {action}: {why}",
        "have the organization's service control policies let it" if by_organization else "look at the role in IAM",
    )


def _compared(preflight: Preflight, subject: str, document: Any, live: Any) -> Iterator[Finding]:
    """`live` is the policy in the account, as an object or as JSON; None if there is none."""
    try:
        expected = resolve(document, preflight)
    except UnresolvedError as exc:
        yield cannot_tell(str(exc), about=subject)
        return
    if live is None:
        yield fail("has no such policy any more", "put it back", preflight.restore, about=subject)
        return
    policy = json.loads(live) if isinstance(live, str) else live
    yield from about(subject, *of_policy(expected, policy, restore=preflight.restore))


def of_policy(expected: Mapping[str, Any], live: Mapping[str, Any], *, restore: str) -> Iterator[Finding]:
    """The statements of a policy that were changed, removed or added since it was deployed."""
    deployed = {_canonical(one): _title(one) for one in _listed(expected["Statement"])}
    found = {_canonical(one): one for one in _listed(live.get("Statement", []))}
    missing = [title for statement, title in deployed.items() if statement not in found]
    added = [one for statement, one in found.items() if statement not in deployed]
    changed = [title for title in missing if title in map(_title, added)]
    gone = [title for title in missing if title not in changed]
    more = [one for one in added if _title(one) not in changed]
    denies = [_title(one) for one in more if one["Effect"] == "Deny"]
    allows = [_title(one) for one in more if one["Effect"] == "Allow"]
    if changed:
        yield fail(f"says otherwise than deployed: {', '.join(changed)}", "put it back", restore)
    if gone:
        yield fail(f"no longer says: {', '.join(gone)}", "put it back", restore)
    if denies:
        yield fail(f"denies what was not deployed: {', '.join(denies)}", "take it out", restore)
    if allows:
        yield warn(f"allows what was not deployed: {', '.join(allows)}", "take it out", restore)


def _canonical(statement: Mapping[str, Any]) -> str:
    """Equal for statements with the same meaning: services return policies in other spellings than they were given."""

    def plain(name: str, value: Any) -> Any:
        if name == "Principal":
            value = {"AWS": "*"} if value == "*" else value
            return {kind: sorted(_listed(who)) for kind, who in value.items()}
        if name == "Condition":
            return {
                operator: {variable.lower(): sorted(map(str, _listed(of))) for variable, of in by.items()}
                for operator, by in value.items()
            }
        values = _listed(value)
        return sorted(one.lower() for one in values) if name in ("Action", "NotAction") else sorted(values)

    return json.dumps({name: plain(name, value) for name, value in statement.items() if name != "Sid"}, sort_keys=True)


def _title(statement: Mapping[str, Any]) -> str:
    """Its Sid, or else its effect and actions."""
    actions = _listed(statement.get("Action", statement.get("NotAction", [])))
    return str(statement.get("Sid") or f"{statement['Effect']} {' '.join(actions)}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(arn_or_url: str) -> str:
    return arn_or_url.rpartition("/")[2].rpartition(":")[2]


CHECKS = (
    Check("topic policies", topics),
    Check("queue policies", queues),
    Check("key", key),
    Check("channel role", channel_role),
    Check("function roles", function_roles),
    Check("permissions", permissions),
)
