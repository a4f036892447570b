"""Actions of agents and flows in a chat."""

from __future__ import annotations

import json

from rich.console import Console

from ops.sandbox import chats_table
from sandbox.simulator.chats import find_chat
from testing.simulator import ARN, BUSINESS_NUMBER, CUSTOMER, EVENT, INTERACTIVE, OTHER, TOPIC, SimulatorHarness


def test_a_transfer_changes_the_contact_and_not_the_initial_one(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    simulator.act("reply", contact, text="one moment")
    moved = simulator.act("transfer", contact)
    assert (moved["contact"], moved["contact_id"] != contact) == (contact, True)
    simulator.act("reply", moved["contact_id"], text="here I am")
    simulator.send_message(token, "thanks")
    reply = next(entry for entry, _ in simulator.published if entry["body"].get("Content") == "here I am")
    assert (reply["body"]["InitialContactId"], reply["body"]["ContactId"]) == (contact, moved["contact_id"])
    assert reply["attributes"]["ContactId"] == moved["contact_id"]
    assert reply["body"]["DisplayName"] == "Agent 2"
    assert [kind for kind, content in simulator.notified() if not content] == [
        "participant.joined",
        "participant.joined",
        "participant.left",
        "transfer.succeeded",
        "participant.joined",
    ]


def test_a_chat_goes_on_after_its_agent_has_left(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    simulator.act("reply", contact, text="bye")
    simulator.act("leave", contact)
    simulator.act("say", contact, text="How did we do?", role="CUSTOM_BOT")
    simulator.send_message(token, "well")
    assert simulator.messages() == [("AGENT", "bye"), ("CUSTOM_BOT", "How did we do?"), ("CUSTOMER", "well")]
    assert simulator.notified()[-3:] == [
        ("participant.left", None),
        ("text/plain", "How did we do?"),
        ("text/plain", "well"),
    ]
    assert "no agent is in chat" in simulator.act_error("leave", contact)


def test_agents_send_interactive_messages_files_and_events(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    simulator.send_message(token, "hello")
    menu = json.dumps({"templateType": "QuickReply", "version": "1.0", "data": {}})
    simulator.act("reply", contact, text=menu, content_type=INTERACTIVE)
    simulator.act("attach", contact, text="bill.pdf", content_type="application/pdf")
    simulator.act("event", contact, text="typing")
    simulator.act("event", contact, text="read")
    interactive, attached, typing, read = (entry["body"] for entry, _ in simulator.published[-4:])
    assert (interactive["ContentType"], interactive["Content"]) == (INTERACTIVE, menu)
    (file,) = attached["Attachments"]
    assert (attached["Type"], file["AttachmentName"], file["Status"]) == ("ATTACHMENT", "bill.pdf", "APPROVED")
    assert (typing["ContentType"], "Content" in typing) == (f"{EVENT}typing", False)
    assert json.loads(read["Content"]) == {"messageId": simulator.chats()[0]["messages"][0]["id"]}
    link = simulator.participant.get_attachment(ConnectionToken=token, AttachmentId=file["AttachmentId"])["Url"]
    assert link.startswith("https://") and "/bill.pdf?" in link


def test_connect_itself_texts_replies_in_a_chat_of_integration_events(simulator: SimulatorHarness) -> None:
    simulator.send_event()
    simulator.act("reply", CUSTOMER, text="How can I help?")
    simulator.act("say", CUSTOMER, text="whisper", visibility="AGENT")
    (text,) = simulator.control("GET", "phone", params={"number": CUSTOMER})["texts"]
    assert (text["from"], text["to"], text["body"], text["by"]) == (
        BUSINESS_NUMBER,
        CUSTOMER,
        "How can I help?",
        "Connect",
    )
    assert simulator.published == []
    assert simulator.messages()[:2] == [("CUSTOMER", "hello"), ("AGENT", "How can I help?")]
    assert simulator.status()["accepted"] == 1


def test_connect_does_not_text_replies_of_a_streamed_chat(simulator: SimulatorHarness) -> None:
    simulator.send_event(NewSessionDetails={"StreamingConfiguration": {"StreamingEndpointArn": TOPIC}})
    simulator.act("reply", CUSTOMER, text="hi")
    assert simulator.phone() == []
    assert simulator.notified() == [
        ("participant.joined", None),
        ("text/plain", "hello"),
        ("participant.joined", None),
        ("text/plain", "hi"),
    ]


def test_connect_does_not_text_replies_of_a_chat_of_start_chat_contact(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    simulator.act("reply", contact, text="hi")
    assert simulator.phone() == []


def test_after_an_agent_has_ended_a_chat_the_next_text_starts_another(simulator: SimulatorHarness) -> None:
    first = simulator.send_event()["InitialContactId"]
    simulator.act("end", first[:8])
    assert simulator.send_event()["NewChatCreated"] is True
    assert simulator.act("reply", CUSTOMER, text="hi")["contact"] != first


def test_a_chat_is_found_by_number_contact_id_or_prefix(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    other, _ = simulator.chat(customer=OTHER)
    chats = simulator.centre.chats
    assert [find_chat(chats, one).contact for one in (contact, contact[:13], CUSTOMER, OTHER)] == [
        contact,
        contact,
        contact,
        other,
    ]
    assert simulator.act_error("end", "nonsense") == "there is no chat nonsense"
    assert simulator.act_error("end", "+14255550199") == "there is no chat +14255550199"
    simulator.chat(customer=OTHER)
    assert "means several chats" in simulator.act_error("end", OTHER)
    simulator.act("end", other)
    simulator.act("end", OTHER)
    assert "has ended" in simulator.act_error("end", OTHER)


def test_the_table_of_chats_fits_a_terminal(simulator: SimulatorHarness) -> None:
    contact, token = simulator.chat()
    simulator.send_message(
        token, "a text that is far too long for one line of a terminal of eighty columns\nand more [bold]"
    )
    simulator.start(customer=OTHER)
    simulator.send_event()
    console = Console(width=80, record=True)
    with console.capture() as shown:
        console.print(chats_table(simulator.chats(), {ARN: BUSINESS_NUMBER}))
    lines = shown.get().splitlines()
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].split()[:4] == [contact[:8], CUSTOMER, BUSINESS_NUMBER, "active"]
    assert [line.split()[3] for line in lines[1:]] == ["active", "waiting", "active"]


def test_an_action_without_what_it_needs_is_refused(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    assert simulator.act_error("reply", contact) == "text is missing"
    assert "one of typing, delivered, read" in simulator.act_error("event", contact, text="dancing")
