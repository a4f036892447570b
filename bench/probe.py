"""Measures one cold start, then texts: processor time and memory.

Run as a script in a process of its own, with a function's folder as its only path: only the standard library may be
imported here. The argument is a job in JSON, see run in bench/variants.py.
"""

from __future__ import annotations

import json
import resource
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Imports of this module would hide the cost of the function's own imports.


def main() -> None:
    job = json.loads(sys.argv[1])
    before = time.process_time()
    module = __import__(job["module"], fromlist=["handler"])
    said = {"ready": time.process_time() - before, "ready_memory": _memory()}
    folder = str(module.__file__).removesuffix(job["module"].replace(".", "/") + ".py")
    loaded = [getattr(one, "__file__", None) or "" for one in [*sys.modules.values()]]
    said["modules"] = sum(path.startswith(folder) for path in loaded)
    with open(job["result"], "w") as result:  # noqa: PTH123 (pathlib is not imported yet, perhaps)
        result.write(json.dumps(said))
        for numbers in _batches(job["texts"], job["batch"]):
            event = _EVENTS[job["event"]](numbers)
            processor, began = time.process_time(), time.perf_counter()
            answer = module.handler(event, _Context())
            spent, took = time.process_time() - processor, time.perf_counter() - began
            if answer and answer.get("batchItemFailures"):
                raise SystemExit(f"{len(answer['batchItemFailures'])} texts returned to the queue")
            # Written at once: memory used here would count as the function's.
            result.write(f"\n[{len(numbers)}, {spent}, {took}, {_memory()}]")


def _memory() -> int:
    """Peak memory of this process in bytes.

    On Linux, getrusage includes the peak of the parent process.
    """
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123
            (line,) = [line for line in status if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _batches(texts: int, size: int) -> Iterator[range]:
    for first in range(0, texts, size):
        yield range(first, min(texts, first + size))


class _Context:
    function_name = "function"
    function_version = "$LATEST"
    memory_limit_in_mb = "512"
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:function"
    aws_request_id = "8d2f7d0e-0a5c-4e0e-9d8f-2f1f0c3f6f5e"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def _sns(numbers: range) -> dict[str, object]:
    return {"Records": [_notification(number) for number in numbers]}


def _sqs(numbers: range) -> dict[str, object]:
    now = str(int(time.time() * 1000))
    return {
        "Records": [
            {
                "messageId": f"entry-{number}",
                "receiptHandle": f"handle-{number}",
                "body": json.dumps(_notification(number)),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": now,
                    "MessageGroupId": f"{number:064x}",
                    "MessageDeduplicationId": f"text-{number}",
                    "SequenceNumber": f"{number:020}",
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for number in numbers
        ]
    }


def _notification(number: int) -> dict[str, object]:
    sms = {
        "originationNumber": f"+1{301 + number // 100 % 500}55501{number % 100:02}",
        "destinationNumber": "+12125550101",
        "messageKeyword": "KEYWORD_111122223333",
        "messageBody": f"Is the blue bicycle in your window still for sale? ({number})",
        "inboundMessageId": f"8d2f7d0e-0a5c-4e0e-9d8f-{number:012}",
        "previousPublishedMessageId": None,
    }
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-east-1:111122223333:inbound:6bd6a5d2",
        "Sns": {
            "Type": "Notification",
            "MessageId": f"95df01b4-ee98-5cb9-9903-{number:012}",
            "TopicArn": "arn:aws:sns:us-east-1:111122223333:inbound",
            "Subject": None,
            "Message": json.dumps(sms),
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertUrl": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0000000000000000.pem",
            "UnsubscribeUrl": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
            "MessageAttributes": {},
        },
    }


_EVENTS = {"sns": _sns, "sqs": _sqs}

if __name__ == "__main__":
    main()
