from __future__ import annotations

import random
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from fireside.errors import ModelError
from fireside.models.gguf_header import read_header


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_token_list(["<s>", "ü", "🔥"])
    writer.add_token_types([3, 1, 1])
    writer.add_chat_template("{{ messages }}")
    writer.add_float32("llama.rope.freq_base", 1.5)
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    writer.add_tensor("a.weight", np.ones((4, 8), dtype=np.float32))
    writer.add_tensor("b.weight", np.ones((32, 2), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def outcome(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    try:
        read_header(path)
    except ModelError as error:
        return error.message if error.hint else "no hint"
    return "read"


def test_what_a_file_says_is_read(tmp_path: Path, small: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(small)
    header = read_header(path)
    assert header.text("general.architecture") == "llama"
    assert header.text("llama.block_count") == ""
    assert header.metadata["llama.block_count"] == 2
    assert header.metadata["tokenizer.ggml.tokens"] == ("<s>", "ü", "🔥")
    assert header.metadata["tokenizer.ggml.token_type"] == (3, 1, 1)
    assert header.metadata["tokenizer.ggml.add_bos_token"] is True
    assert [(tensor.name, tensor.shape, tensor.ggml_type) for tensor in header.tensors] == [
        ("a.weight", (8, 4), 0),
        ("b.weight", (2, 32), 1),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"GG", "cut off"),
        (b"PK\x03\x04 something else", "does not begin with the GGUF mark"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), "string of"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 0, 2**60), "array of"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77), "unknown type 77"),
    ],
)
def test_a_file_that_is_not_a_model(tmp_path: Path, data: bytes, said: str) -> None:
    message = outcome(tmp_path / "m.gguf", data)
    assert message.startswith("m.gguf is not a usable GGUF file: ")
    assert said in message


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.gguf", tmp_path):
        with pytest.raises(ModelError, match="cannot read"):
            read_header(path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, small: bytes) -> None:
    path = tmp_path / "m.gguf"
    positions = {*range(0, len(small), max(1, len(small) // 200)), len(small) - 1}
    for position in sorted(positions):
        # The last tensor's padding may be missing.
        if position < len(small) - 32:
            assert outcome(path, small[:position]) != "read", position


def test_bytes_changed_anywhere_end_in_a_header_or_a_clear_error(tmp_path: Path, small: bytes) -> None:
    generator = random.Random(7)
    path = tmp_path / "m.gguf"
    outcomes = set()
    for _ in range(300):
        data = bytearray(small)
        for _ in range(generator.choice([1, 1, 2, 8])):
            data[generator.randrange(len(data))] = generator.choice([0, 1, 0x7F, 0xFF, generator.randrange(256)])
        outcomes.add(outcome(path, bytes(data)))
    assert "read" in outcomes
    assert len(outcomes) > 5
