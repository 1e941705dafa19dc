"""The transformers engine: safetensors folders on a GPU or the CPU, quantised or plain, with PEFT adapters."""
