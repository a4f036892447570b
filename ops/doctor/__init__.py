"""`bridge doctor`: what would keep texts from their chats, found before the first one is sent."""
