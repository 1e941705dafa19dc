"""Turns what was trained into what others run: GGUF adapters and models, safetensors, files for Ollama."""
