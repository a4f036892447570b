"""Credentials, the stack and its configuration, functions, event sources, subscriptions and alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from infra.config import BridgeConfig, ConfigError, load
from ops.doctor.findings import Check, Finding, State, about, cannot_tell, fail, of_each, ok, warn
from ops.doctor.preflight import Identity, Preflight, Resource
from ops.doctor.template import UnresolvedError, resolve
from ops.target import explain


def settings(preflight: Preflight) -> Iterator[Finding]:
    try:
        preflight.config = load(preflight.config_path)
    except ConfigError as exc:
        for mistake in exc.mistakes:
            line = f"line {mistake.line}: " if mistake.line else ""
            place = f"{mistake.place}: " if mistake.place else ""
            yield fail(f"{line}{place}{mistake.problem}", mistake.remedy)
        return
    count = len(preflight.config.numbers)
    yield ok(f"{preflight.config_path} is sound: {count} number{'s' if count > 1 else ''}")


def credentials(preflight: Preflight) -> Iterator[Finding]:
    """Whether AWS accepts them, and whether account and Region are those of the file's numbers."""
    target = preflight.target
    try:
        if not target.region:
            raise NoRegionError
        answer = preflight.ask("sts", "get_caller_identity")
    except ClientError as exc:
        yield fail(f"AWS refuses them: {exc.response['Error']['Code']}", "sign in again", "aws sso login")
        return
    except BotoCoreError as exc:
        finding, _, remedy = explain(exc, stack=target.stack, region=target.region).partition("; ")
        yield fail(finding, remedy or "look at --region and --profile, and at the network")
        return
    identity = Identity(account=answer["Account"], arn=answer["Arn"])
    elsewhere = None if target.sandbox else of_place(preflight.config, arn=identity.arn, region=target.region or "")
    if elsewhere:
        yield elsewhere
        return
    preflight.identity = identity
    yield ok(f"account {identity.account}, {target.region}, as {identity.arn.split(':', 5)[5]}")


def of_place(config: BridgeConfig, *, arn: str, region: str) -> Finding | None:
    """A finding if credentials with this ARN, in this Region, are not of the place of the file's ARNs.

    Not called for a sandbox, which has one account and Region and accepts any file.
    """
    _, partition, _, _, account, _ = arn.split(":", 5)
    its = config.location
    if partition != its.partition:
        return fail(
            f"these are for partition {partition}, the numbers are of {its.partition}",
            "another AWS_PROFILE or --profile",
        )
    if account != its.account:
        return fail(
            f"these are for account {account}, the numbers are of {its.account}", "another AWS_PROFILE or --profile"
        )
    if region != its.region:
        return fail(f"this is {region}, the numbers are in {its.region}", f"--region {its.region}")
    return None


def stack(preflight: Preflight) -> Iterator[Finding]:
    target = preflight.target
    try:
        (found,) = preflight.ask("cloudformation", "describe_stacks", StackName=target.stack)["Stacks"]
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ValidationError":
            raise
        yield fail(f"there is no stack {target.stack} in {target.region}", "deploy it", preflight.deploy)
        return
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    finding = of_status(target.stack, found["StackStatus"], deploy=preflight.deploy)
    if "InboundTopicArn" in outputs:
        preflight.outputs = outputs
    elif finding.state == State.OK:
        finding = fail(f"{target.stack} is not a bridge", "name another with --stack, or deploy", preflight.deploy)
    yield finding


def of_status(name: str, status: str, *, deploy: str) -> Finding:
    """What a status of the stack means, with the command that repairs it; `deploy` is the command that deploys.

    A stack whose creation failed is deleted by the CDK before it is created again, and CloudFormation does not delete
    a stack with termination protection. Source: "Stack status codes" in the CloudFormation user guide.
    """
    if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        return ok(f"{name}, {status}")
    events = f"aws cloudformation describe-stack-events --stack-name {name}"
    if status in ("UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"):
        return warn(f"{name}: the last deployment was rolled back, what was there before works", "see why", events)
    if status == "REVIEW_IN_PROGRESS":
        return fail(f"{name} is in state {status}: nothing is deployed yet", "deploy", deploy)
    if status.endswith("_IN_PROGRESS"):
        return warn(f"{name} is being changed: {status}", "run doctor again when that is done")
    what, remedy, command = _repairs(name, deploy).get(status, ("", "", ""))
    if not command:
        return fail(f"{name} is in state {status}", "see why", events)
    why = "its events say why (aws cloudformation describe-stack-events); mend that, then"
    return fail(f"{name} is in state {status}: {what}", f"{why} {remedy}", command)


def _repairs(name: str, deploy: str) -> Mapping[str, tuple[str, str, str]]:
    """For each status in which nothing can be deployed: what happened, what to do, and the command for it."""
    aws, of_stack = "aws cloudformation", f"--stack-name {name}"
    first = (
        "the first deployment failed",
        "take termination protection off and deploy again, which deletes the stack first",
        f"{aws} update-termination-protection --no-enable-termination-protection {of_stack} && {deploy}",
    )
    half = (
        "a deployment failed that was not to be rolled back",
        "roll it back, and run doctor again",
        f"{aws} rollback-stack {of_stack}",
    )
    return {
        "ROLLBACK_COMPLETE": first,
        "ROLLBACK_FAILED": first,
        "CREATE_FAILED": half,
        "UPDATE_FAILED": half,
        "UPDATE_ROLLBACK_FAILED": (
            "a deployment failed and could not be rolled back",
            "let the rollback go on, and run doctor again",
            f"{aws} continue-update-rollback {of_stack}",
        ),
        "DELETE_FAILED": (
            "somebody deleted it, and some of it could not be deleted",
            "delete the rest and deploy again",
            f"{aws} delete-stack {of_stack} && {aws} wait stack-delete-complete {of_stack} && {deploy}",
        ),
    }


def configuration(preflight: Preflight) -> Iterator[Finding]:
    config, deployed = preflight.config, preflight.outputs.get("ConfigFingerprint")
    target, path = preflight.target, preflight.config_path
    if config.stack != target.stack:
        yield fail(f"{path} is for stack {config.stack}, this is {target.stack}", "name the other file with --config")
    elif deployed is None:
        yield cannot_tell("the stack does not say from which settings it was deployed", "deploy", preflight.deploy)
    elif deployed != config.fingerprint():
        yield fail(f"what is deployed is not what {path} says", "deploy", preflight.deploy)
    else:
        yield ok(f"deployed as {path} says")


def functions(preflight: Preflight) -> Iterator[Finding]:
    def check(resource: Resource) -> Iterator[Finding | None]:
        name = resource.physical_id
        answer = preflight.find("lambda", "get_function_configuration", FunctionName=name)
        yield from about(name, of_function(answer, restore=preflight.restore))

    yield from of_each(preflight.all("Lambda::Function"), check, "active")


def of_function(answer: Mapping[str, Any] | None, *, restore: str) -> Finding | None:
    """Inactive is no problem: Lambda sets it after weeks without a call, and the next call ends it."""
    if answer is None:
        return fail("is gone", "put it back", restore)
    state, update = answer.get("State", "Active"), answer.get("LastUpdateStatus", "Successful")
    if state == "Failed" or update == "Failed":
        why = answer.get("StateReason") if state == "Failed" else answer.get("LastUpdateStatusReason")
        return fail(f"does not work: {why or 'Lambda says Failed'}", "deploy again", restore)
    if state == "Pending" or update == "InProgress":
        return warn("is being changed", "run doctor again when that is done")
    return None


def event_sources(preflight: Preflight) -> Iterator[Finding]:
    def check(resource: Resource) -> Iterator[Finding | None]:
        uuid = resource.physical_id
        answer = preflight.find("lambda", "get_event_source_mapping", UUID=uuid)
        yield of_event_source(uuid, answer, restore=preflight.restore)

    yield from of_each(preflight.all("Lambda::EventSourceMapping"), check, "enabled")


def of_event_source(uuid: str, answer: Mapping[str, Any] | None, *, restore: str) -> Finding | None:
    if answer is None:
        return fail("is gone: nothing reads its queue", "put it back", restore, about=uuid)
    queue = answer["EventSourceArn"].rpartition(":")[2]
    if answer["State"] in ("Disabled", "Disabling"):
        return fail(
            "is disabled: nothing reads this queue",
            "enable it",
            f"aws lambda update-event-source-mapping --enabled --uuid {uuid}",
            about=queue,
        )
    if answer["State"] != "Enabled":
        return warn(f"is in state {answer['State']}", "run doctor again when that is done", about=queue)
    if str(answer.get("LastProcessingResult", "")).startswith("PROBLEM"):
        result = answer["LastProcessingResult"]
        return warn(f"Lambda says: {result}", "the function's log group says more", about=queue)
    return None


def subscriptions(preflight: Preflight) -> Iterator[Finding]:
    """The stack's subscriptions of functions, and others, whose owners get bodies and numbers too."""
    wanted = [one for one in preflight.all("SNS::Subscription") if one.properties["Protocol"] == "lambda"]
    well = "there, with what cannot be handed over kept"
    yield from of_each(wanted, lambda resource: _subscription(preflight, resource), well)


def _subscription(preflight: Preflight, resource: Resource) -> Iterator[Finding | None]:
    try:
        expected = resolve(resource.properties, preflight)
    except UnresolvedError as exc:
        yield cannot_tell(str(exc), about=resource.logical_id)
        return
    topic = expected["TopicArn"]
    name = topic.rpartition(":")[2]
    live = list(preflight.every("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic))
    subscribed = [one for one in live if one["Endpoint"] == expected["Endpoint"] and one["Protocol"] == "lambda"]
    attributes: Mapping[str, Any] = {}
    if subscribed and (arn := subscribed[0]["SubscriptionArn"]).startswith("arn:"):
        attributes = preflight.ask("sns", "get_subscription_attributes", SubscriptionArn=arn)["Attributes"]
    yield from about(name, of_subscription(expected, attributes if subscribed else None, restore=preflight.restore))
    if others := sorted({one["Protocol"] for one in live if one not in subscribed}):
        yield warn(
            f"is listened to by others as well ({', '.join(others)}): they get bodies and numbers",
            "look at them",
            f"aws sns list-subscriptions-by-topic --topic-arn {topic}",
            about=name,
        )
    policy = preflight.find("lambda", "get_policy", FunctionName=expected["Endpoint"])
    statements = json.loads(policy["Policy"])["Statement"] if policy else []
    if not any(_allows_sns(statement, topic) for statement in statements):
        yield fail("may not call the function that it is for", "put it back", preflight.restore, about=name)


def of_subscription(expected: Mapping[str, Any], live: Mapping[str, Any] | None, *, restore: str) -> Finding | None:
    """`expected` are the template's properties, `live` the attributes in the account; None if it is not there."""
    if live is None:
        return fail("has no subscription of ours: what is published is dropped", "put it back", restore)
    if _json(live.get("RedrivePolicy")) != expected.get("RedrivePolicy"):
        return fail("does not keep in undelivered what it cannot hand over", "put its RedrivePolicy back", restore)
    if _json(live.get("FilterPolicy")) != expected.get("FilterPolicy"):
        return fail("filters otherwise than deployed", "put its FilterPolicy back", restore)
    if live.get("RawMessageDelivery", "false") != "false":
        return fail("delivers raw messages, which intake cannot read", "switch RawMessageDelivery off", restore)
    return None


def _json(text: str | None) -> Any:
    return json.loads(text) if text else None


def _allows_sns(statement: Mapping[str, Any], topic: str) -> bool:
    """Whether a statement of a function's policy allows SNS to call it for this topic."""
    principal, conditions = statement.get("Principal", {}), statement.get("Condition", {}).values()
    arns = [value for by in conditions for name, value in by.items() if name.lower() == "aws:sourcearn"]
    return isinstance(principal, dict) and principal.get("Service") == "sns.amazonaws.com" and topic in arns


def alarms(preflight: Preflight) -> Iterator[Finding]:
    topic = preflight.output("AlarmTopicArn")
    listening = list(preflight.every("sns", "list_subscriptions_by_topic", "Subscriptions", TopicArn=topic))
    yield of_listeners([one["SubscriptionArn"] for one in listening])


def of_listeners(arns: Sequence[str]) -> Finding:
    """A subscription has no ARN until it is confirmed."""
    waiting = sum(not arn.startswith("arn:") for arn in arns)
    if not arns:
        return warn("nobody is told of them", "set operation.alarm_email in bridge.toml, or subscribe to the topic")
    if waiting == len(arns):
        return warn("nobody is told of them: no subscription is confirmed", "follow the link in the e-mail from AWS")
    return ok(f"{len(arns) - waiting} are told of them" + (f", {waiting} did not confirm yet" if waiting else ""))


CHECKS = (
    Check("bridge.toml", settings),
    Check("credentials", credentials),
    Check("stack", stack),
    Check("configuration", configuration),
    Check("functions", functions),
    Check("event sources", event_sources),
    Check("subscriptions", subscriptions),
    Check("alarms", alarms),
)
