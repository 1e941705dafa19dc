"""The bundled encoder against what is known of its model, and the edges of its input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fireside.encoder import DIMENSION, MAX_TOKENS, BundledEncoder, bundled_encoder, by_length, chosen_encoder
from fireside.errors import ModelError, SettingsError
from fireside.models import bundled

TEXTS = [
    "A man is eating food.",
    "A man is eating a piece of bread.",
    "The stove takes dry birch wood only.",
    "Zwei Boote liegen am Steg.",
    "",
    "word " * 400,
]


@pytest.mark.engine
def test_vectors_are_unit_float32_one_a_text() -> None:
    vectors = bundled_encoder().encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), DIMENSION)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert bundled_encoder().encode([]).shape == (0, DIMENSION)


@pytest.mark.engine
def test_meaning_orders_texts() -> None:
    bread, wood = (bundled_encoder().encode(TEXTS[:3]) @ bundled_encoder().encode(["Someone eats bread."])[0])[1:]
    assert bread > 0.6 > 0.3 > wood


@pytest.mark.engine
def test_a_vector_does_not_depend_on_its_neighbours() -> None:
    encoder = bundled_encoder()
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5


@pytest.mark.engine
def test_a_long_text_is_cut_at_256_tokens() -> None:
    encoder = bundled_encoder()
    text = "word " * (MAX_TOKENS - 2)
    full, longer, shorter = encoder.encode([text, text + "other things", text[:-5]])
    assert full @ longer == pytest.approx(1, abs=1e-5)
    assert full @ shorter < 1 - 1e-6


@pytest.mark.engine
def test_words_have_exact_places_and_add_up() -> None:
    encoder = bundled_encoder()
    text = "Naïve antidisestablishmentarianism, 한국 \x00  中文 "
    words = encoder.words(text)
    assert [text[start:end] for start, end, _ in words] == [
        "Naïve",
        "antidisestablishmentarianism",
        ",",
        "한국",
        "中",
        "文",
    ]
    assert sum(count for _, _, count in words) == encoder.count_tokens([text])[0]
    assert {text[start:end]: count for start, end, count in words}["antidisestablishmentarianism"] > 1


@pytest.mark.engine
def test_progress_counts_texts() -> None:
    steps: list[tuple[int, int]] = []
    bundled_encoder().encode(["some words here"] * 400, lambda done, total: steps.append((done, total)))
    assert len(steps) > 1
    assert steps == sorted(steps)
    assert steps[-1] == (400, 400)


@pytest.mark.engine
def test_agrees_with_sentence_transformers(tmp_path: Path) -> None:
    """In a process of its own: the library imports torch, and warns of things that are not ours."""
    model = bundled.located(bundled.ENCODER_TOKENIZER).parent
    program = (
        "import sys, json, numpy as np\n"
        "from sentence_transformers import SentenceTransformer\n"
        f"model = SentenceTransformer({str(model)!r}, device='cpu', local_files_only=True)\n"
        "model.max_seq_length = 256\n"
        "np.save(sys.argv[1], model.encode(json.loads(sys.stdin.read()), normalize_embeddings=True))\n"
    )
    result = tmp_path / "vectors.npy"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(result)],
        input=json.dumps(TEXTS),
        text=True,
        check=True,
        capture_output=True,
    )
    cosines = (np.load(result) * bundled_encoder().encode(TEXTS)).sum(axis=1)
    # The int8 weights against the float ones.
    assert cosines.min() > 0.99
    assert cosines.mean() > 0.997


def test_batches_hold_every_row_once_and_stay_small() -> None:
    lengths = [3, 250, 20, 20, 1, 200, 40] * 9
    batches = by_length(lengths, 512)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= 512 for batch in batches)
    assert by_length([600], 512) == [[0]]


def test_a_damaged_model_file_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = bundled.BundledFile("fireside", "encoder.py", "0" * 64)
    monkeypatch.setattr(bundled, "ENCODER_MODEL", wrong)
    monkeypatch.setattr(bundled, "ENCODER_TOKENIZER", wrong)
    with pytest.raises(ModelError, match="sha256 differs"):
        BundledEncoder().encode(["text"])


def test_the_settings_name_the_encoder() -> None:
    assert chosen_encoder() is bundled_encoder()
    with pytest.raises(SettingsError, match="cannot be shortened"):
        chosen_encoder(dimension=128)
    other = chosen_encoder("some/model", 128)
    assert other is chosen_encoder("some/model", 128) is not chosen_encoder("some/model")
