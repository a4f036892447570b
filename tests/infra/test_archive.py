"""The functions' archive works in a Python that has the standard library and the archive only."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from infra.packaging.models import OPERATIONS
from testing.builders import record, sqs_record

CALLS = """
from bridge.aws import clients
sqs, dynamodb, connect = clients.lazy_client(clients.sqs), clients.dynamodb(), clients.connect(read_timeout=5)
participant, texting = clients.connectparticipant(read_timeout=5), clients.sms(read_timeout=5)
sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/111122223333/q", MessageBody="Hello")
sqs.change_message_visibility_batch(QueueUrl="https://sqs.us-east-1.amazonaws.com/111122223333/q", Entries=[])
dynamodb.get_item(TableName="t", Key={"text_key": {"S": "k"}})
dynamodb.put_item(TableName="t", Item={"text_key": {"S": "k"}})
dynamodb.update_item(TableName="t", Key={"text_key": {"S": "k"}})
connect.send_chat_integration_event(SourceId="s", DestinationId="d", Event={"Type": "DISCONNECT"})
connect.start_chat_contact(InstanceId="i", ContactFlowId="f", ParticipantDetails={"DisplayName": "d"})
participant.create_participant_connection(Type=["CONNECTION_CREDENTIALS"], ParticipantToken="p")
participant.send_message(ContentType="text/plain", Content="Hello", ConnectionToken="c")
participant.get_attachment(AttachmentId="a", ConnectionToken="c")
participant.disconnect_participant(ConnectionToken="c")
texting.send_text_message(DestinationPhoneNumber="+14255550182", MessageBody="Hello")
"""
ASKED = [
    "AmazonSQS.SendMessage",
    "AmazonSQS.ChangeMessageVisibilityBatch",
    "DynamoDB_20120810.GetItem",
    "DynamoDB_20120810.PutItem",
    "DynamoDB_20120810.UpdateItem",
    "/chat-integration-event",
    "/contact/chat",
    "/participant/connection",
    "/participant/message",
    "/participant/attachment",
    "/participant/disconnect",
    "PinpointSMSVoiceV2.SendTextMessage",
]
ANSWER = json.dumps({"Attributes": {"outcome": {"S": "forwarded"}, "parts_done": {"N": "1"}}}).encode()
TRACE = "Root=1-65263746-320c824c58b9e15b51a84f99;Parent=7dcee31f3d8a37a0;Sampled=0;Lineage=1:bd4cecd5:0"
TRACED = """
import json, os
from bridge.aws import clients
from bridge.aws.queues import FifoQueue
client, sent = clients.sqs(), []
client.meta.events.register("before-send.sqs.SendMessage", lambda request, **_: sent.append(json.loads(request.body)))
url = "https://sqs.us-east-1.amazonaws.com/111122223333/q.fifo"
FifoQueue(client=client, url=url).send("Hello", group_id="c", deduplication_id="t")
header = {"DataType": "String", "StringValue": os.environ["_X_AMZN_TRACE_ID"]}
assert sent[0]["MessageSystemAttributes"] == {"AWSTraceHeader": header}, sent
"""
HANDLERS = """
import sys
from bridge import forward, intake, reply, reply_intake
for module in (forward, intake, reply, reply_intake):
    assert module.__file__.startswith(sys.argv[1]), module.__file__
    assert callable(module.handler)
"""
ENDPOINTS = """
import json, sys
from botocore.config import Config
from botocore.session import get_session
session = get_session()
def found(service, region, special):
    about = session.create_client(service, region_name=region, config=Config(**special))
    signer = about._request_signer
    return [about.meta.endpoint_url, about.meta.partition, signer.signing_name, signer.region_name]
print(json.dumps([found(*each) for each in json.loads(sys.argv[2])]))
"""
CUT = """
from bridge.processing.splitting import split
family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
assert split(family * 9, 64) == (family * 8, family)
"""
READS = """
import json, sys, threading
reads = []
def note(frame, event, what):
    if event == "c_call" and what.__name__ == "load_verify_locations":
        reads.append(what)
threading.setprofile(note)
sys.setprofile(note)
from bridge.aws import clients
from botocore.exceptions import SSLError
table, other = clients.dynamodb(), clients.sqs()
assert len(reads) == 1, reads
def call():
    try:
        table.get_item(TableName="t", Key={"text_key": {"S": "k"}})
    except SSLError:
        reached.append(1)
reached = []
threads = [threading.Thread(target=call) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(reached) == 3 and len(reads) == 1, (reached, reads)
context = table._endpoint.http_session._manager.connection_pool_kw["ssl_context"]
assert context.cert_store_stats()["x509_ca"] > 100
assert context.verify_mode.name == "CERT_REQUIRED"
assert other._endpoint.http_session._manager.connection_pool_kw["ssl_context"] is context
"""


def run(archive: Path, code: str, *arguments: str, **variables: str) -> str:
    environment = {
        "PYTHONPATH": str(archive),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-c", code, str(archive), *arguments],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[str]]]:
    """Gives every request the same response, that of the ledger for a forwarded text; records the requests."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.headers.get("X-Amz-Target", self.path))
            self.send_response(200)
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_operation_can_be_called_from_the_archive_alone(archive: Path, endpoint: tuple[str, list[str]]) -> None:
    address, asked = endpoint
    run(archive, CALLS, AWS_ENDPOINT_URL=f"http://{address}")
    assert asked == ASKED
    assert len(asked) == sum(map(len, OPERATIONS.values()))


def test_a_message_carries_a_trace_by_the_cut_model(archive: Path, endpoint: tuple[str, list[str]]) -> None:
    """botocore refuses a parameter that the archive's model lacks before it makes a call."""
    address, asked = endpoint
    run(archive, TRACED, AWS_ENDPOINT_URL=f"http://{address}", _X_AMZN_TRACE_ID=TRACE)
    assert asked == ["AmazonSQS.SendMessage"]


def test_all_handlers_load_from_the_archive_alone(archive: Path) -> None:
    run(archive, HANDLERS)


def test_a_long_text_is_split_from_the_archive_alone(archive: Path) -> None:
    run(archive, CUT)


def test_endpoints_are_those_of_the_complete_botocore_data(archive: Path) -> None:
    """Requests are also signed for the same Region and service."""
    everywhere = [
        (service, region, special)
        for service in OPERATIONS
        for region in ("us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1")
        for special in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True})
    ]
    found = json.loads(run(archive, ENDPOINTS, json.dumps(everywhere)))
    site_packages = Path(boto3.__file__).parents[1]
    assert found == json.loads(run(site_packages, ENDPOINTS, json.dumps(everywhere)))


def test_certificate_authorities_are_read_once_for_all_clients(archive: Path, endpoint: tuple[str, list[str]]) -> None:
    """The server has no TLS; botocore reads the authorities before it finds out."""
    address, _ = endpoint
    run(archive, READS, AWS_ENDPOINT_URL=f"https://{address}")


# --- files that a cold start reads, and calls per text: independent of the machine ------------------------------------

START = """
import json, sys
archive, handler = sys.argv[1:3]
read = {}
def note(event, arguments):
    if event == "open" and str(arguments[0]).startswith(archive) and str(arguments[0]).endswith(".json"):
        read[arguments[0].removeprefix(archive + "/")] = 1
sys.addaudithook(note)
__import__(f"bridge.{handler}")
modules = [name for name, one in sys.modules.items() if (getattr(one, "__file__", None) or "").startswith(archive)]
print(json.dumps([modules, list(read)]))
"""
TEXTS = """
import json, sys
from bridge import forward, intake
for event in json.loads(sys.argv[2]):
    handler = forward if "body" in event["Records"][0] else intake
    answer = handler.handler(event, None)
    assert answer is None or answer == {"batchItemFailures": []}, answer
"""
FUNCTION = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "CONVERSATIONS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/conversations",
    "REPLIES_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/replies",
    "FAILED_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/failed",
    "LEDGER_TABLE": "Ledger",
}
START_CHAT = {"CHATS_TABLE": "Chats", "STREAMING_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:replies"}

_MANY = {"boto3", "s3transfer", "wcwidth", "pydantic", "aws_xray_sdk", "multiprocessing"}
_ONLY_START_CHAT = {
    "bridge.aws.start_chat",
    "bridge.aws.chat_sessions",
    "bridge.replies.delivery",
    "bridge.replies.interactive",
    "bridge.replies.chat_events",
}


@pytest.mark.parametrize(
    ("handler", "variables", "most_modules", "services", "never"),
    [
        (
            "intake",
            {},
            184,
            {"dynamodb", "sqs"},
            {"bridge.texts.delivery", "bridge.processing.rate_limiter", *_ONLY_START_CHAT},
        ),
        ("forward", {}, 191, {"connect", "dynamodb"}, _ONLY_START_CHAT),
        ("forward", START_CHAT, 197, {"connect", "connectparticipant", "dynamodb"}, {"bridge.aws.sms"}),
        (
            "reply_intake",
            {},
            186,
            {"dynamodb", "sqs"},
            {"bridge.texts.delivery", "bridge.processing.rate_limiter", "bridge.aws.start_chat"},
        ),
        ("reply", START_CHAT, 199, {"dynamodb", "pinpoint-sms-voice-v2"}, {"bridge.aws.integration_events"}),
    ],
)
def test_a_start_reads_no_more_than_its_path_needs(
    archive: Path,
    handler: str,
    variables: dict[str, str],
    most_modules: int,
    services: set[str],
    never: set[str],
) -> None:
    said = run(archive, START, handler, **FUNCTION, **variables)
    modules, read = json.loads(said)
    assert not never & set(modules)
    assert not _MANY & {name.partition(".")[0] for name in modules}
    assert len(modules) <= most_modules, sorted(modules)
    assert {path.split("/")[2] for path in read if "/service-2" in path} == services
    assert sum((archive / path).stat().st_size for path in read if path.startswith("botocore/")) < 100_000


def test_a_text_is_this_many_calls(archive: Path, endpoint: tuple[str, list[str]]) -> None:
    """Intake queues it and records the receipt; forward reads the ledger, sends, and records the part. Ten texts in a
    batch are ten times as many."""
    address, asked = endpoint
    text = record()
    queued = [sqs_record(group=f"group-{number}") for number in range(10)]
    events = [{"Records": [text]}, {"Records": queued[:1]}, {"Records": queued}]
    run(archive, TEXTS, json.dumps(events), AWS_ENDPOINT_URL=f"http://{address}", **FUNCTION)
    of_intake = ["AmazonSQS.SendMessage", "DynamoDB_20120810.UpdateItem"]
    of_forward = ["DynamoDB_20120810.GetItem", "/chat-integration-event", "DynamoDB_20120810.UpdateItem"]
    assert asked[:5] == [*of_intake, *of_forward]
    assert Counter(asked[5:]) == Counter(of_forward * 10)
