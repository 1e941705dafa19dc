"""Tiny sentence-transformers models with random weights, made on the spot."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

WORDS = ["query", "passage", "the", "stove", "takes", "dry", "birch", "wood", "pump", "drain", "water", "boat", "lake"]
SIZE = 32


def tiny_encoder(folder: Path, pooling: str = "mean", prompts: dict[str, str] | None = None, seed: int = 7) -> Path:
    """A model of two layers and vectors of 32 numbers, its own WordPiece vocabulary, and these prompts, in `folder`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    plain = folder.parent / f"{folder.name}-plain"
    plain.mkdir(parents=True)
    letters = [*string.ascii_lowercase, *string.digits, *":,.?"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{each}" for each in letters)]
    tokenizer: Any = BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)})
    tokenizer.save_pretrained(plain)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=SIZE,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(plain)
    modules: list[Any] = [Transformer(str(plain), max_seq_length=48), Pooling(SIZE, pooling_mode=pooling)]
    if pooling == "cls":
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu", prompts=prompts).save(str(folder), create_model_card=False)
    return folder


def rewritten(path: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
