"""The screen of tools: what each may do, whether it asks, the rules that hold, the servers that run."""
