"""State machines for hypothesis: the bridge under any sequence of events."""
