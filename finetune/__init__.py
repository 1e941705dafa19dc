"""Fine-tuning: data, LoRA training, GGUF export and its proof."""
