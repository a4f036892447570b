"""`bridge replay`: publishes the notifications of sample events and shows what became of each."""
