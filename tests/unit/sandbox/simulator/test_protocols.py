"""Requests and responses by botocore's models."""

from __future__ import annotations

import json

import pytest

from sandbox.simulator.protocols import rest_json, target_json


def test_operations_are_found_by_method_and_path_with_their_labels() -> None:
    api = rest_json("connect")
    found = api.find("PUT", "/contact/chat")
    assert found and found[0].name == "StartChatContact"
    found = api.find("GET", "/contacts/11111111-2222/a%20b")
    assert found and found[0].name == "DescribeContact"
    assert found[1] == {"InstanceId": "11111111-2222", "ContactId": "a b"}


def test_a_response_that_the_model_forbids_is_an_error_of_the_simulator() -> None:
    api = rest_json("connect")
    found = api.find("POST", "/chat-integration-event")
    assert found
    with pytest.raises(ValueError, match="InitialContactId must be of type string"):
        api.write(found[0], {"InitialContactId": 7})


def test_headers_and_labels_reach_the_request() -> None:
    api = rest_json("connectparticipant")
    found = api.find("POST", "/participant/message")
    assert found
    operation, labels = found
    body = json.dumps({"ContentType": "text/plain", "Content": "x"}).encode()
    request = api.read(operation, labels=labels, query={}, headers={"x-amz-bearer": "token"}, body=body)
    assert request == {"ConnectionToken": "token", "ContentType": "text/plain", "Content": "x"}


def test_a_service_with_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="does not use json"):
        target_json("connectparticipant")
