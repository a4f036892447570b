"""The model of SQS FIFO: one test for each rule that the bridge relies on."""

from __future__ import annotations

import pytest

from testing.models.fifo import Fifo, Message, ReceiptError


class Clock:
    """Starts at zero, to test that zero is a valid time."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Fifo:
    return Fifo(now=clock.now, visibility=30)


@pytest.fixture
def failed(clock: Clock) -> Fifo:
    return Fifo(now=clock.now, visibility=30, name="failed")


@pytest.fixture
def redriving(clock: Clock, failed: Fifo) -> Fifo:
    """A queue with max_receives of two."""
    return Fifo(now=clock.now, visibility=30, max_receives=2, dead_letters=failed)


def send(queue: Fifo, *bodies: str) -> list[Message]:
    """Send a message. Group: the first letter of its body. Deduplication id: the body."""
    return [queue.send(body, group=body[0], deduplication_id=body) for body in bodies]


def receive(queue: Fifo, most: int = 10) -> list[str]:
    return [message.body for message in queue.receive(most)]


def receipt(message: Message) -> str:
    assert message.receipt
    return message.receipt


def return_to_queue(queue: Fifo, batch: list[Message], seconds: float = 0) -> None:
    for message in batch:
        queue.change_visibility(receipt(message), seconds)


def test_messages_of_a_group_come_in_the_order_in_which_they_were_sent(queue: Fifo) -> None:
    send(queue, "a1", "b1", "a2", "b2", "a3")
    received = receive(queue)
    assert [body for body in received if body[0] == "a"] == ["a1", "a2", "a3"]
    assert [body for body in received if body[0] == "b"] == ["b1", "b2"]


def test_sequence_numbers_rise(queue: Fifo) -> None:
    numbers = [message.sequence for message in send(queue, "a1", "b1", "a2")]
    assert numbers == sorted(set(numbers))


def test_a_batch_takes_all_it_can_of_one_group_before_the_next(queue: Fifo) -> None:
    send(queue, "a1", "b1", "a2", "b2")
    assert receive(queue, 3) == ["a1", "a2", "b1"]


def test_a_batch_never_holds_more_than_was_asked_for(queue: Fifo) -> None:
    send(queue, *(f"a{n:02}" for n in range(12)))
    assert len(receive(queue, 10)) == 10
    assert receive(queue) == []


def test_what_is_behind_a_hidden_message_of_its_group_waits(queue: Fifo) -> None:
    send(queue, "a1", "a2", "b1")
    assert receive(queue, 1) == ["a1"]
    assert receive(queue) == ["b1"]
    assert receive(queue) == []


def test_what_is_before_a_hidden_message_of_its_group_is_handed_out(queue: Fifo, clock: Clock) -> None:
    send(queue, "a1", "a2", "a3", "a4")
    first, second, _, fourth = queue.receive()
    return_to_queue(queue, [fourth])
    queue.change_visibility(receipt(first), 5)
    clock.time += 6
    assert receive(queue) == ["a1"], "a2 and a3 are hidden, so a4 waits"
    return_to_queue(queue, [second])
    assert receive(queue) == [], "a1 is hidden again"


def test_a_group_goes_on_once_its_hidden_messages_are_deleted(queue: Fifo) -> None:
    send(queue, "a1", "a2")
    (head,) = queue.receive(1)
    queue.delete(receipt(head))
    assert receive(queue) == ["a2"]


def test_what_is_sent_while_its_group_is_hidden_waits_behind_it(queue: Fifo) -> None:
    send(queue, "a1")
    held = queue.receive()
    send(queue, "a2")
    assert receive(queue) == []
    return_to_queue(queue, held)
    assert receive(queue) == ["a1", "a2"]


def test_a_message_comes_again_after_the_visibility_timeout_and_not_before(queue: Fifo, clock: Clock) -> None:
    send(queue, "a1")
    assert receive(queue) == ["a1"]
    clock.time += 29.9
    assert receive(queue) == []
    clock.time += 0.1
    assert receive(queue) == ["a1"]


def test_a_receive_can_bring_its_own_visibility_timeout(queue: Fifo, clock: Clock) -> None:
    send(queue, "a1")
    queue.receive(visibility=5)
    clock.time += 5
    assert receive(queue) == ["a1"]


def test_a_changed_visibility_counts_from_the_change_and_for_this_receive_only(queue: Fifo, clock: Clock) -> None:
    send(queue, "a1")
    (held,) = queue.receive()
    clock.time += 20
    queue.change_visibility(receipt(held), 60)
    clock.time += 59
    assert receive(queue) == []
    clock.time += 1
    assert receive(queue) == ["a1"]
    clock.time += 30
    assert receive(queue) == ["a1"]


def test_a_deleted_message_never_comes_again(queue: Fifo, clock: Clock) -> None:
    send(queue, "a1")
    (held,) = queue.receive()
    queue.delete(receipt(held))
    clock.time += 1000
    assert receive(queue) == [] and len(queue) == 0


def test_receiving_counts_for_every_message_that_came_along(queue: Fifo) -> None:
    send(queue, "a1", "a2")
    return_to_queue(queue, queue.receive(1))
    return_to_queue(queue, queue.receive())
    assert [message.receives for message in queue.receive()] == [3, 2]


def test_a_message_is_handed_out_as_often_as_allowed_and_then_moved(redriving: Fifo, failed: Fifo) -> None:
    send(redriving, "a1", "a2")
    return_to_queue(redriving, redriving.receive(1))
    return_to_queue(redriving, redriving.receive())
    assert len(failed) == 0
    assert receive(redriving) == ["a2"]
    assert [message.body for message in failed.messages()] == ["a1"]


def test_followers_of_a_failing_head_are_moved_though_nobody_tried_them(redriving: Fifo, failed: Fifo) -> None:
    send(redriving, "a1", "a2", "b1")
    for _ in range(2):
        return_to_queue(redriving, [message for message in redriving.receive() if message.group == "a"])
    assert receive(redriving) == []
    assert [message.body for message in failed.messages()] == ["a1", "a2"]


def test_what_is_behind_a_hidden_message_of_its_group_is_not_moved(redriving: Fifo, failed: Fifo) -> None:
    send(redriving, "a1", "a2")
    return_to_queue(redriving, redriving.receive())
    _, follower = redriving.receive()
    return_to_queue(redriving, [follower])
    assert receive(redriving) == []
    assert len(failed) == 0


def test_what_is_before_a_hidden_message_of_its_group_is_moved(redriving: Fifo, failed: Fifo) -> None:
    send(redriving, "a1", "a2")
    return_to_queue(redriving, redriving.receive())
    head, _ = redriving.receive()
    return_to_queue(redriving, [head])
    assert receive(redriving) == []
    assert [message.body for message in failed.messages()] == ["a1"]


def test_a_moved_message_has_its_id_as_deduplication_id_and_no_reason(
    redriving: Fifo, failed: Fifo, clock: Clock
) -> None:
    (sent,) = send(redriving, "a1")
    return_to_queue(redriving, redriving.receive())
    return_to_queue(redriving, redriving.receive())
    clock.time += 100
    redriving.receive()
    (moved,) = failed.receive()
    assert (moved.message_id, moved.deduplication_id) == (sent.message_id, sent.message_id)
    assert (moved.body, moved.group, moved.attributes) == (sent.body, sent.group, {})
    assert moved.sent_at == 100, "a FIFO queue's retention counts from the move"
    assert moved.receives == 3, "receives count across queues"


def test_two_messages_with_one_deduplication_id_can_both_be_moved(redriving: Fifo, failed: Fifo, clock: Clock) -> None:
    for _ in range(2):
        send(redriving, "a1")
        clock.time += 300
    for _ in range(2):
        return_to_queue(redriving, redriving.receive())
    assert receive(redriving) == []
    assert [message.body for message in failed.messages()] == ["a1", "a1"]


def test_a_deduplication_id_counts_for_five_minutes_from_the_first(queue: Fifo, clock: Clock) -> None:
    (first,) = send(queue, "a1")
    clock.time += 299
    (again,) = send(queue, "a1")
    assert again.message_id == first.message_id and len(queue) == 1
    clock.time += 1
    (anew,) = send(queue, "a1")
    assert anew.message_id != first.message_id
    assert receive(queue) == ["a1", "a1"]


def test_a_deduplication_id_counts_after_its_message_was_deleted(queue: Fifo) -> None:
    send(queue, "a1")
    (held,) = queue.receive()
    queue.delete(receipt(held))
    send(queue, "a1")
    assert len(queue) == 0


def test_a_deduplication_id_counts_for_its_group_alone(queue: Fifo) -> None:
    queue.send("one", group="a", deduplication_id="id")
    queue.send("two", group="b", deduplication_id="id")
    assert receive(queue) == ["one", "two"]


@pytest.mark.parametrize("seconds", [30, 31])
def test_a_receipt_is_refused_once_its_visibility_is_over(queue: Fifo, clock: Clock, seconds: float) -> None:
    send(queue, "a1")
    (held,) = queue.receive()
    clock.time += seconds
    with pytest.raises(ReceiptError):
        queue.delete(receipt(held))
    with pytest.raises(ReceiptError):
        queue.change_visibility(receipt(held), 30)
    assert receive(queue) == ["a1"]


def test_a_receipt_is_refused_once_its_message_was_received_again(queue: Fifo) -> None:
    send(queue, "a1")
    stale = queue.receive()
    return_to_queue(queue, stale)
    (held,) = queue.receive()
    for use in (queue.delete, lambda handle: queue.change_visibility(handle, 0)):
        with pytest.raises(ReceiptError):
            use(receipt(stale[0]))
    assert receipt(stale[0]) != receipt(held), "the first holder must not come by the second one's receipt"
    queue.delete(receipt(held))


def test_a_receipt_is_refused_once_its_message_was_deleted(queue: Fifo) -> None:
    send(queue, "a1")
    (held,) = queue.receive()
    queue.delete(receipt(held))
    with pytest.raises(ReceiptError):
        queue.delete(receipt(held))


def test_a_queue_that_gives_up_needs_somewhere_to_put_what_it_gives_up(clock: Clock) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Fifo(now=clock.now, visibility=30, max_receives=2)
