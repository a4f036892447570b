"""What stands in the functions' log lines beside metrics."""

OF_A_TEXT = {"correlation_id", "error", "reason", "attempts", "waited_seconds", "again_in_seconds"} | {
    *("parts", "contact", "new_chat", "milliseconds", "where")
}
OF_POWERTOOLS = {"level", "location", "message", "timestamp", "service", "xray_trace_id"}
