"""Pull: messages are asked for while what they bring has room, leased, and acknowledged once they are settled."""
