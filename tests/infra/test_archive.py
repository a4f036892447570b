"""The functions' archive works by itself, in a Python with its standard library, the archive, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from infra.models import OPERATIONS

CALLS = """
from bridge import sdk
sqs, dynamodb, connect = sdk.later(sdk.sqs), sdk.dynamodb(), sdk.connect(answer_within=5)
participant, texting = sdk.connectparticipant(answer_within=5), sdk.texting(answer_within=5)
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
from bridge.split import split
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
from bridge import sdk
from botocore.exceptions import SSLError
table, other = sdk.dynamodb(), sdk.sqs()
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
    """Answers everything with an empty object, and notes what it was asked."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.headers.get("X-Amz-Target", self.path))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

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


def test_all_handlers_load_from_the_archive_alone(archive: Path) -> None:
    run(archive, HANDLERS)


def test_a_long_text_is_cut_from_the_archive_alone(archive: Path) -> None:
    run(archive, CUT)


def test_services_are_where_botocores_whole_data_says_that_they_are(archive: Path) -> None:
    """And requests are signed for the same Region and service."""
    everywhere = [
        (service, region, special)
        for service in OPERATIONS
        for region in ("us-east-1", "eu-central-2", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1")
        for special in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True})
    ]
    found = json.loads(run(archive, ENDPOINTS, json.dumps(everywhere)))
    site_packages = Path(boto3.__file__).parents[1]
    assert found == json.loads(run(site_packages, ENDPOINTS, json.dumps(everywhere)))


def test_the_certificate_authorities_are_read_once_whatever_the_number_of_clients_and_connections(
    archive: Path, endpoint: tuple[str, list[str]]
) -> None:
    """What answers is no TLS server, and whom one trusts is read before that is noticed."""
    address, _ = endpoint
    run(archive, READS, AWS_ENDPOINT_URL=f"https://{address}")
