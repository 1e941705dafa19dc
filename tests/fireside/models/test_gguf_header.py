from __future__ import annotations

import random
import struct
from pathlib import Path

import gguf
import headers
import numpy as np
import pytest

from fireside.errors import ModelError
from fireside.models import gguf_header
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


@pytest.mark.engine
def test_a_hostile_model_is_refused_or_ends_its_own_process_alone() -> None:
    tally = headers.check_headers(seed=3, count=40)
    assert tally.harm == []
    assert tally.ends["refused by its header"] > 5
    assert tally.ends["loaded"] > 2


def test_mutations_are_the_same_for_the_same_seed() -> None:
    first, again, other = ([each.what for each in headers.mutations(seed, 20)] for seed in (1, 1, 2))
    assert first == again
    assert first != other
    header = headers._fields(headers.located(headers.CHAT_MODEL))[0]
    assert sum(each.header == header for each in headers.mutations(1, 50)) < 10


def string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def key(name: bytes, kind: int, value: bytes) -> bytes:
    return string(name) + struct.pack("<I", kind) + value


def whole(*keys: bytes, tensors: tuple[bytes, ...] = ()) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(tensors)


def tensor(name: bytes, *shape: int, kind: int = 0, offset: int = 0) -> bytes:
    return string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


LLAMA = key(b"general.architecture", 8, string(b"llama"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (whole(LLAMA, LLAMA), "the key 'general.architecture' twice"),
        (whole(key(b"k" * 70_000, 4, b"\0" * 4)), "a string of 70000 bytes"),
        (whole(key(b"general.alignment", 4, struct.pack("<I", 24))), "its alignment is impossible"),
        (whole(key(b"general.alignment", 7, b"\1")), "its alignment is impossible"),
        (whole(LLAMA, key(b"llama.block_count", 4, struct.pack("<I", 513))), "a block_count of 513"),
        (whole(LLAMA, key(b"llama.context_length", 4, b"\0" * 4)), "a context_length of 0"),
        (whole(LLAMA, key(b"llama.embedding_length", 8, string(b"x"))), "a embedding_length of x"),
        (whole(key(b"a.layer_norm_epsilon", 6, struct.pack("<f", float("nan")))), "epsilon of nan"),
        (whole(key(b"tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + string(b"a") * 2)), "the token 'a' twice"),
        (whole(tensors=(tensor(b"a", 1), tensor(b"a", 1))) + b"\0" * 64, "two tensors of one name"),
        (whole(tensors=(tensor(b"t" * 64, 1),)) + b"\0" * 64, "a string of 64 bytes"),
        (whole(tensors=(tensor(b"a", 33, kind=2),)) + b"\0" * 64, "not whole blocks of 32"),
        (whole(tensors=(tensor(b"a_norm.weight", 4, kind=1),)) + b"\0" * 64, "is not in 32 bits"),
        (whole(tensors=(tensor(b"a", 4, kind=99),)) + b"\0" * 64, "the unknown type 99"),
        (whole(tensors=(tensor(b"a", 0),)) + b"\0" * 64, "claims the shape (0,)"),
        (whole(tensors=(tensor(b"a", 2**40, 2**40),)) + b"\0" * 64, "claims the shape"),
        (whole(tensors=(tensor(b"a", 4, offset=2**63),)) + b"\0" * 64, "lies beyond its end"),
    ],
)
def test_what_llama_cpp_would_stumble_over(tmp_path: Path, data: bytes, said: str) -> None:
    assert said in outcome(tmp_path / "m.gguf", data)


def test_a_header_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.gguf"
    strings = b"".join(key(f"k{number}".encode(), 8, string(bytes(1000))) for number in range(50))
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 50) + strings
    assert outcome(path, data) == "read"
    monkeypatch.setattr(gguf_header, "_MOST_BYTES", 20_000)
    monkeypatch.setattr(gguf_header, "_PIECE", 1000)
    assert "its header claims more than" in outcome(path, data)
    monkeypatch.setattr(gguf_header, "_MOST_VALUES", 100)
    two = struct.pack("<IQ", 0, 60) + bytes(60)
    assert "an array of 60 values" in outcome(path, whole(key(b"a", 9, two), key(b"b", 9, two)))


def test_long_arrays_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    long = struct.pack("<IQ", 8, 5000) + b"".join(string(str(number).encode()) for number in range(5000))
    numbers = struct.pack("<IQ", 4, 5000) + bytes(20_000)
    short = struct.pack("<IQ", 4, 2) + struct.pack("<II", 7, 8)
    path.write_bytes(whole(key(b"long", 9, long), key(b"numbers", 9, numbers), key(b"short", 9, short)))
    assert read_header(path).metadata["long"][4999] == "4999"
    assert read_header(path, long_arrays=False).metadata == {"long": (), "numbers": (), "short": (7, 8)}


def test_a_model_in_several_files(tmp_path: Path) -> None:
    first, second = (tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2))
    first.write_bytes(whole(LLAMA, tensors=(tensor(b"a", 4),)) + bytes(64))
    with pytest.raises(ModelError, match=r"cannot read .*m-00002-of-00002.gguf"):
        read_header(first)
    second.write_bytes(whole(tensors=(tensor(b"b", 8),)) + bytes(64))
    assert [each.name for each in read_header(first).tensors] == ["a", "b"]
    assert read_header(first).parameters == 12
    with pytest.raises(ModelError, match="is not the first part"):
        read_header(second)
