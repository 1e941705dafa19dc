"""`fireside data`: what it prints and writes, and its one line for each thing that is wrong."""

from __future__ import annotations

import json

import pytest
from tiny_families import save_model

from fireside import paths
from fireside.conversations.store import ConversationStore
from tui.cli import main


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "chats.jsonl"
    lines = [json.dumps({"frage": f"What is {n} and {n}?", "antwort": f"It is {2 * n}."}) for n in range(30)]
    file.write_text("\n".join([*lines, "{torn"]) + "\n", "utf-8")
    return str(file)


FIELDS = ("--field", "prompt=frage", "--field", "completion=antwort")


def test_prepare_tells_each_step_and_writes_what_a_run_takes(rows, tmp_path, capsys):
    assert main(["data", "prepare", rows, *FIELDS, "--near", "1", "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("31 rows: ")
    assert out.endswith("1 dropped\n")
    assert "load and map: 30 of 31 kept, 1 dropped: broken" in err
    assert "chats.jsonl row 31: broken (not JSON" in err
    assert f'held_back = "{tmp_path / "out" / "held_back.jsonl"}"' in err
    assert len((tmp_path / "out" / "train.jsonl").read_text("utf-8").splitlines()) > 20


def test_prepare_json_is_the_report_and_nothing_else(rows, capsys):
    assert main(["data", "prepare", rows, *FIELDS, "--near", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["rows"], report["train"] + report["held_back"], report["dropped"]) == (31, 30, 1)
    assert report["steps"][0]["details"] == {"sources": {"chats.jsonl": 31}, "kinds": {"chat": 30}}
    assert err == ""


@pytest.mark.engine
def test_preview_shows_tokens_and_figures(rows, capsys):
    assert main(["data", "preview", rows, *FIELDS, "--show", "1"]) == 0
    out, err = capsys.readouterr()
    assert "What is 0 and 0?<|im_end|>\n<|im_start|>assistant\n[[It is 0.]][[<|im_end|>]]" in out
    assert "30 rows, 30 examples" in out
    assert "is padding and the end of a turn in one, and is trained 30 times. That is safe here" in out
    assert "row 31: broken" in err
    assert main(["data", "preview", rows, *FIELDS, "--template", "llama2", "--show", "1", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert "".join(piece["text"] for piece in seen["shown"][0]["pieces"]).startswith("<|im_start|>[INST] What is 0")
    assert seen["broken"][0].startswith("chats.jsonl row 31")


@pytest.mark.engine
def test_tokenizer_tells_how_the_vocabulary_fits(rows, capsys):
    assert main(["data", "tokenizer", rows, *FIELDS, "--worst", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("smollm2-135m: ")
    assert "tokens/word" in out
    assert len(out.split("the rows it fits worst:\n")[1].splitlines()) == 2
    assert "row 31: broken" in err
    assert main(["data", "tokenizer", rows, *FIELDS, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["rows"] == 30


def test_tokenizer_makes_a_base_that_a_run_takes(rows, tmp_path, capsys):
    base = save_model(tmp_path / "base", "llama")
    made = ["data", "tokenizer", rows, *FIELDS, "--base", str(base), "--extend", "4", "-o", str(tmp_path / "more")]
    assert main(made) == 0
    out = capsys.readouterr().out
    assert "every old token keeps its id" in out
    assert "on old tokens the logits differ by at most 0.0e+00" in out
    assert main(["data", "preview", rows, *FIELDS, "--base", str(tmp_path / "more"), "--show", "1"]) == 0
    assert "[[It is 0.]][[<|im_end|>]]" in capsys.readouterr().out
    assert main(made) == 1


def test_only_named_conversations_become_data(tmp_path, capsys):
    store = ConversationStore(paths.conversations_database())
    for title in ("soup", "secrets"):
        chat = store.create("Be kind.", "m", title)
        asked = store.add(chat.id, None, "user", f"{title}?", "complete")
        store.select(store.add(chat.id, asked.id, "assistant", f"{title}!", "complete").id)
    store.close()
    assert main(["data", "from-chats"]) == 0
    assert "soup" in capsys.readouterr().out
    assert main(["data", "from-chats", "1", "-o", str(tmp_path / "mine.jsonl")]) == 0
    written = (tmp_path / "mine.jsonl").read_text("utf-8")
    assert "soup!" in written
    assert "secrets" not in written
    assert main(["data", "from-chats", "9"]) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["prepare", "none.jsonl"], "there is no training data file none.jsonl"),
        (["prepare", "ROWS", "--field", "promt=frage"], "there is no part 'promt'"),
        (["prepare", "ROWS", "--weight", "chat.jsonl=2"], "there is no source 'chat.jsonl' to weigh"),
        (["prepare", "ROWS"], "chats.jsonl row 1 cannot be used: its fields are of no known format: frage, antwort"),
        (["preview", "ROWS"], "chats.jsonl row 1 cannot be used: its fields are of no known format: frage, antwort"),
        (["tokenizer", "ROWS"], "chats.jsonl row 1 cannot be used"),
        (["tokenizer", "ROWS", *FIELDS, "--extend", "5"], "a base with another vocabulary is written to a folder"),
        (["tokenizer", "ROWS", "--kind", "bpe"], "--kind says how a new vocabulary is made"),
        (["from-docs", "none"], "there is no document library 'none'"),
        (["preview", "ROWS", *FIELDS, "--template", "lama2"], "there is no template 'lama2'"),
        (["preview", "ROWS", *FIELDS, "--base", "none.gguf"], "no model file"),
    ],
)
def test_what_is_wrong_is_one_line(rows, line, message, capsys):
    assert main(["data", *(rows if each == "ROWS" else each for each in line)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[0]


@pytest.mark.parametrize("option", [["--weight", "x"], ["--held-back", "2"], ["--field", "prompt"], ["--near", "0"]])
def test_wrong_options_are_wrong_usage(rows, option, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["data", "prepare", rows, *option])
    assert caught.value.code == 2
