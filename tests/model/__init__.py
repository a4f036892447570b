"""What the local AWS cannot show: queues whose groups several environments work on at the same time."""
