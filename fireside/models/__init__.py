"""Models: a conversation in, tokens out. One protocol, `ChatModel`, and the engines behind it."""
