"""A base model that is trained in a second: a llama of two layers with random weights, as a GGUF file."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from word_vocabulary import CHATML

HIDDEN, FEED_FORWARD, LAYERS, HEADS, KV_HEADS = 32, 64, 2, 4, 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_PIECES = ("th", "he", "in", "er", "an", "Ġt", "Ġa", "re", "on", "Ġthe", "ing", "and")


def bytes_as_letters() -> list[str]:
    """A letter for each byte, as GPT-2's byte-level BPE has them: printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def write_tiny_base(path: Path, *, seed: int = 0) -> Path:
    """Write the model; its tokens are bytes, a few merges and ChatML's special tokens."""
    merges = [f"{piece[:-1]} {piece[-1]}" for piece in _PIECES if len(piece) == 2]
    merges += ["Ġt he", "in g", "an d"]
    tokens = [*SPECIAL, *bytes_as_letters(), *(merge.replace(" ", "") for merge in merges)]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHATML)
    random = np.random.default_rng(seed)

    def add(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", (random.standard_normal((rows, columns)) * 0.1).astype(np.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, np.float32))

    add("token_embd", len(tokens), HIDDEN)
    # A head of its own, so that an embedding bears on nothing but its token.
    add("output", len(tokens), HIDDEN)
    add_norm("output_norm")
    for layer in range(LAYERS):
        add_norm(f"blk.{layer}.attn_norm")
        add(f"blk.{layer}.attn_q", HIDDEN, HIDDEN)
        add(f"blk.{layer}.attn_k", HIDDEN // HEADS * KV_HEADS, HIDDEN)
        add(f"blk.{layer}.attn_v", HIDDEN // HEADS * KV_HEADS, HIDDEN)
        add(f"blk.{layer}.attn_output", HIDDEN, HIDDEN)
        add_norm(f"blk.{layer}.ffn_norm")
        add(f"blk.{layer}.ffn_gate", FEED_FORWARD, HIDDEN)
        add(f"blk.{layer}.ffn_up", FEED_FORWARD, HIDDEN)
        add(f"blk.{layer}.ffn_down", HIDDEN, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
