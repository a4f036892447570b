"""Amazon Connect: imported numbers, instances, flows, streaming, open chats, and SendChatIntegrationEvent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from bridge.aws.chat_sessions import KEEP_SECONDS
from infra.config import Number
from ops.doctor.findings import Check, Finding, about, cannot_tell, fail, ok, warn
from ops.doctor.preflight import DeniedError, Imported, Preflight

PROBE = "+12025550100"
"""A number reserved for fiction: no phone has it, so it has no chat."""
CONNECT = "connect.amazonaws.com"
_LONGEST_CHAT = 7 * 24 * 3600
"""Seconds (ChatDurationInMinutes of StartChatContact)."""
_PAGES = 20
"""Of one Scan, each of a megabyte: a few thousand chats."""


def imports(preflight: Preflight) -> Iterator[Finding]:
    """With integration-event delivery, a number's import into Connect decides instance and flow of its chats."""
    for number in preflight.by_events:
        yield from about(number.number, of_import(number, preflight.imported.get(number.arn)))


def of_import(number: Number, imported: Imported | None) -> Finding:
    if imported is None:
        return fail(
            "is in no Connect instance of this Region",
            "import it, give it a flow, and connect it to the stack again",
            f"aws connect import-phone-number --source-phone-number-arn {number.arn} --instance-id INSTANCE",
        )
    if imported.status == "FAILED":
        return fail(f"its import failed {imported.message}".rstrip(), "import it again")
    if imported.status == "IN_PROGRESS":
        return warn("is being imported", "run doctor again when that is done")
    if imported.flow_id is None:
        return fail(
            f"has no flow in instance {imported.instance_id}: no chat can start",
            "give it one",
            f"aws connect associate-flow --instance-id {imported.instance_id} --resource-id {number.arn} "
            "--resource-type SMS_PHONE_NUMBER --flow-id FLOW",
        )
    return ok(f"in instance {imported.instance_id}, with flow {imported.flow_id}")


def instances(preflight: Preflight) -> Iterator[Finding]:
    for instance_id in preflight.flows:
        answer = preflight.find("connect", "describe_instance", InstanceId=instance_id)
        yield from about(instance_id, of_instance(answer and answer["Instance"]))


def of_instance(instance: Mapping[str, Any] | None) -> Finding:
    if instance is None:
        return fail("there is no such instance", "correct instance_arn in bridge.toml", "aws connect list-instances")
    if instance["InstanceStatus"] != "ACTIVE":
        why = instance.get("StatusReason", {}).get("Message", "")
        return fail(f"is {instance['InstanceStatus']} {why}".rstrip(), "look at it in the Connect console")
    return ok("is active")


def flows(preflight: Preflight) -> Iterator[Finding]:
    for instance_id, flow_ids in preflight.flows.items():
        for flow_id in sorted(flow_ids):
            yield from about(flow_id, _flow(preflight, instance_id, flow_id))


def _flow(preflight: Preflight, instance_id: str, flow_id: str) -> Finding:
    try:
        answer = preflight.find("connect", "describe_contact_flow", InstanceId=instance_id, ContactFlowId=flow_id)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ContactFlowNotPublishedException":
            raise
        return of_flow(instance_id, {"Status": "SAVED"})
    return of_flow(instance_id, answer and answer["ContactFlow"])


def of_flow(instance_id: str, flow: Mapping[str, Any] | None) -> Finding:
    """Chats start only with a published inbound flow."""
    if flow is None:
        return fail(
            f"is not in instance {instance_id}",
            "correct contact_flow_id in bridge.toml",
            f"aws connect list-contact-flows --instance-id {instance_id}",
        )
    if flow["Status"] != "PUBLISHED":
        return fail("was never published", "publish it in Connect's flow designer")
    if flow["Type"] != "CONTACT_FLOW":
        return fail(f"is of type {flow['Type']}", "chats start with an inbound flow: CONTACT_FLOW")
    if flow["State"] != "ACTIVE":
        return fail(f"is {flow['State']}", "restore it in Connect's flow designer")
    return ok(f"{flow['Name']}, published")


def streaming(preflight: Preflight) -> Iterator[Finding]:
    """Whether Connect may publish to the streaming topics. If a condition does not match, no error is shown."""
    config = preflight.config
    wanted = {(preflight.output("StreamingTopicArn"), arn) for arn in config.instances()}
    for number in preflight.by_events:
        imported = preflight.imported.get(number.arn)
        if number.streaming_topic_arn and imported:
            wanted.add((number.streaming_topic_arn, imported.instance_arn))
    for topic, instance_arn in sorted(wanted):
        answer = preflight.find("sns", "get_topic_attributes", TopicArn=topic)
        yield from about(topic.rpartition(":")[2], of_streaming(instance_arn, answer and answer["Attributes"]))


def of_streaming(instance_arn: str, attributes: Mapping[str, str] | None) -> Finding:
    if attributes is None:
        return fail("there is no such topic", "correct streaming_topic_arn in bridge.toml")
    if attributes.get("KmsMasterKeyId", "").endswith("alias/aws/sns"):
        return fail("is encrypted with AWS's own key, which Connect may not use", "give it a key of yours")
    sources = _allowed_instances(attributes)
    if any(source is None or instance_arn in source for source in sources):
        return ok(f"admits instance {instance_arn.rpartition('/')[2]}")
    nearly = any(one.startswith(instance_arn) for source in sources for one in source or ())
    return fail(
        f"does not admit {instance_arn}" + (": its condition is not the bare ARN" if nearly else ""),
        "let connect.amazonaws.com publish, with ArnEquals aws:SourceArn = the bare ARN of the instance",
    )


def _allowed_instances(attributes: Mapping[str, str]) -> list[list[str] | None]:
    """For each statement that allows Connect to publish, the instances in its condition; None if it has none."""
    statements = json.loads(attributes.get("Policy") or "{}").get("Statement", [])
    return [_sources(one) for one in statements if _allows_connect(one)]


def _allows_connect(statement: Mapping[str, Any]) -> bool:
    principal, actions = statement.get("Principal"), statement.get("Action", [])
    services = principal.get("Service", []) if isinstance(principal, dict) else []
    listed = [actions] if isinstance(actions, str) else actions
    return (
        statement["Effect"] == "Allow"
        and CONNECT in ([services] if isinstance(services, str) else services)
        and any(action.lower() in ("sns:publish", "sns:*", "*") for action in listed)
    )


def _sources(statement: Mapping[str, Any]) -> list[str] | None:
    """The values of aws:SourceArn in a statement's conditions; None if there are none."""
    found = [
        value
        for by in statement.get("Condition", {}).values()
        for name, of in by.items()
        if name.lower() == "aws:sourcearn"
        for value in ([of] if isinstance(of, str) else of)
    ]
    return found or None


# --- leaving start-chat delivery ------------------------------------------------------------------------------


def open_chats(preflight: Preflight) -> Iterator[Finding]:
    """Whether replies of open chats that the bridge started would still reach phones if this file were deployed.

    Asked if no number starts chats any more, or if a deployed instance is no longer in the file.
    """
    config, topic, table = preflight.config, *map(preflight.outputs.get, ("StreamingTopicArn", "ChatsTableName"))
    answer = preflight.find("sns", "get_topic_attributes", TopicArn=topic) if topic and table else None
    if answer is None:
        return
    sources = {arn for of_one in _allowed_instances(answer["Attributes"]) for arn in of_one or ()}
    deployed = {arn for arn in sources if not set("*?") & set(arn)}  # a pattern is no instance: see `streaming topic`
    gone = sorted(deployed.difference(config.instances()))
    if gone or not any(map(config.starts_chats, config.numbers)):
        count, all_of_them = _count_open(preflight, str(table))
        yield of_open_chats(count, all_of_them=all_of_them, gone=gone, path_stays=bool(config.instances()))


def of_open_chats(count: int, *, all_of_them: bool, gone: Sequence[str], path_stays: bool) -> Finding:
    """`gone` are deployed instances that are not in the file; `path_stays`: whether others are in it."""
    if not count:
        what = "the reply path can go" if gone else "instance_arn can go from bridge.toml, and the reply path with it"
        return ok(f"none of those that the bridge started is open: {what}")
    summary = f"{count}{'' if all_of_them else ' or more'} that the bridge started {'is' if count == 1 else 'are'} open"
    if not gone:
        return ok(f"{summary}: replies reach phones while bridge.toml names their instance")
    names = ", ".join(arn.rpartition("/")[2] for arn in gone)
    finding = warn if path_stays else fail
    return finding(
        f"{summary}, and bridge.toml no longer names instance {names}: deployed so, replies from there reach no phone",
        f'until they are over, name it in [start_chat] (instance_arn = "{gone[0]}"), and with each number that starts '
        "chats its own instance_arn and contact_flow_id",
    )


def _count_open(preflight: Preflight, table: str) -> tuple[int, bool]:
    """In how many conversations the latest chat may be open, and whether all were counted.

    A chat counts unless it is known to have ended or is older than chats can be. Only the first pages are read.
    """
    pages = preflight.pages(
        "dynamodb",
        "scan",
        TableName=table,
        Select="COUNT",
        FilterExpression="begins_with(chat_key, :conversation) AND ended = :no AND expires_at > :youngest_over",
        ExpressionAttributeValues={
            ":conversation": {"S": "conversation:"},
            ":no": {"BOOL": False},
            ":youngest_over": {"N": str(int(time.time()) + KEEP_SECONDS - _LONGEST_CHAT)},
        },
    )
    read = [*islice(pages, _PAGES)]
    return sum(page["Count"] for page in read), "LastEvaluatedKey" not in read[-1]


# --- SendChatIntegrationEvent ---------------------------------------------------------------------------------


def access(preflight: Preflight) -> Iterator[Finding]:
    """Whether Connect accepts chat integration events of the account, tried with an event that nobody can see.

    It is a DISCONNECT, which has no content, for a customer number that is reserved for fiction and so has no chat. By
    the API's reference the response has no contact "if the integration event is not valid without an already existing
    chat contact". If Connect opens a chat all the same, this call ends it before any agent gets it.

    The call uses the credentials of the user; those of the function are checked by `permissions`.
    """
    if not preflight.by_events:
        return
    if not preflight.probe:
        yield cannot_tell("not tried", "leave out --no-probe")
        return
    number = preflight.by_events[0]
    try:
        imported: bool | None = number.arn in preflight.imported
    except DeniedError:
        imported = None
    try:
        response = send_probe(preflight, number.arn)
        answer = "opened" if response.get("NewChatCreated") else "taken"
    except DeniedError:
        answer = "AccessDeniedException"
    except ClientError as exc:
        answer = exc.response["Error"]["Code"]
    allowed = allowed_to_caller(preflight) if answer == "AccessDeniedException" else True
    yield of_access(answer, imported=imported, allowed=allowed, deploy=preflight.deploy)


def send_probe(preflight: Preflight, number_arn: str) -> Mapping[str, Any]:
    """The response to that event. Raises what Preflight.ask does."""
    return preflight.ask(
        "connect",
        "send_chat_integration_event",
        SourceId=PROBE,
        DestinationId=number_arn,
        Subtype="connect:sms",
        Event={"Type": "DISCONNECT"},
    )


def of_access(answer: str, *, imported: bool | None, allowed: bool | None, deploy: str) -> Finding:
    """`answer` is the error code, "taken", or "opened" if a chat was opened; `allowed`: whether IAM allows the call."""
    if answer == "taken" or (answer == "ResourceNotFoundException" and imported):
        return ok("Connect lets it through")
    if answer == "opened":
        return warn("Connect lets it through, and opened a chat for the trial that it ended at once", "use --no-probe")
    if answer == "ResourceNotFoundException":
        return cannot_tell("Connect knows no such number", "import the number, then run doctor again")
    if answer != "AccessDeniedException":
        return cannot_tell(f"Connect answers {answer}, which says nothing of access", "run doctor again")
    if allowed is False:
        return cannot_tell("you may not call it yourself", "needs the permission connect:SendChatIntegrationEvent")
    if allowed is None:
        return cannot_tell(
            "it is refused, by Connect to the account or by IAM to you",
            "to tell them apart needs the permission iam:SimulatePrincipalPolicy (and iam:GetRole)",
        )
    return fail(
        "Connect refuses this account: texts will be blocked",
        'ask AWS Support for access; or set delivery = "start-chat" in bridge.toml, with instance_arn and '
        "contact_flow_id, and deploy",
        deploy,
    )


def allowed_to_caller(preflight: Preflight) -> bool | None:
    """Whether IAM allows the call to the user's credentials; None if that cannot be found out."""
    arn = preflight.identity.arn
    kind, _, rest = arn.split(":", 5)[5].partition("/")
    if kind == "root":
        return True
    try:
        if kind == "assumed-role":  # its ARN lacks the role's path
            role = preflight.find("iam", "get_role", RoleName=rest.partition("/")[0])
            arn = role["Role"]["Arn"] if role else arn
        answer = preflight.ask(
            "iam", "simulate_principal_policy", PolicySourceArn=arn, ActionNames=["connect:SendChatIntegrationEvent"]
        )
    except (DeniedError, ClientError):
        return None
    return all(result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"])


CHECKS = (
    Check("import", imports),
    Check("instance", instances),
    Check("contact flow", flows),
    Check("streaming topic", streaming),
    Check("open chats", open_chats),
    Check("SendChatIntegrationEvent", access),
)
