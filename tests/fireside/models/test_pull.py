from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_hub import COMMIT, LocalHub, serving, small_gguf

from fireside import paths
from fireside.errors import FiresideError, ModelError, StorageError
from fireside.models import catalog, digests
from fireside.models.download import Downloading
from fireside.models.hub import Hub, redirected
from fireside.models.pull import kept_bytes, left_to_get, listed, pull
from fireside.models.variants import chosen, parsed, variants


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return small_gguf(tmp_path)


@pytest.fixture
def hub(data: bytes) -> Iterator[LocalHub]:
    with serving(LocalHub({"Small-Q8_0.gguf": data})) as started:
        yield started


def pulled(hub: LocalHub, text: str = "hf:org/model", name: str = "", **how: Any) -> catalog.ModelFile:
    """Everything the command does, without waiting."""
    client = Hub(hub.address, how.pop("token", ""))
    wanted = parsed(text)
    try:
        listing = listed(client, wanted, lambda seconds: None)
        variant, _ = chosen(variants(listing), wanted, how.pop("free", 8 << 30))
        downloading = Downloading(**{"wait": lambda seconds: None, **how})
        return pull(client, listing, variant, name or variant.name, downloading)
    finally:
        client.close()


def nothing_but(name: str) -> bool:
    return {path.name for path in paths.models_folder().iterdir()} <= {name, ".sha256.json", ".pulling"} and not list(
        (paths.models_folder() / ".pulling").iterdir()
    )


def test_a_file_becomes_a_model(hub: LocalHub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[int] = []
    model = pulled(hub, got=came.append)
    assert (model.name, model.kind, model.path) == ("Small-Q8_0", "gguf", paths.models_folder() / "Small-Q8_0.gguf")
    assert model.path.read_bytes() == data
    assert sum(came) == len(data)
    assert nothing_but("Small-Q8_0.gguf")
    assert [path for path, _ in hub.log][-1] == f"/org/model/resolve/{COMMIT}/Small-Q8_0.gguf"
    # Its digest is known from now on without reading it.
    monkeypatch.setattr(digests, "sha256_of", lambda path: pytest.fail("read"))
    assert digests.known_sha256(model.path) == hashlib.sha256(data).hexdigest()
    # And it is not got again.
    asked = len(hub.asked("/resolve/"))
    assert pulled(hub) == model
    assert len(hub.asked("/resolve/")) == asked


def test_a_connection_cut_again_and_again_goes_on_where_it_was(hub: LocalHub, data: bytes) -> None:
    hub.cuts = [100_000, 1, 0, 200_000, 70_000]
    waits: list[float] = []
    came: list[int] = []
    assert pulled(hub, wait=waits.append, got=came.append).path.read_bytes() == data
    asked = hub.asked("/resolve/")
    assert [headers.get("range") for headers in asked] == [
        None,
        "bytes=100000-",
        "bytes=100001-",
        "bytes=100001-",
        "bytes=300001-",
        "bytes=370001-",
    ]
    assert all("if-range" in headers for headers in asked[1:])
    assert sum(came) == len(data)
    assert len(waits) == 5


def test_a_file_that_changed_meanwhile_is_got_from_the_beginning(hub: LocalHub, data: bytes) -> None:
    hub.cuts = [100_000]

    def change(seconds: float) -> None:
        hub.etag = "another"

    came: list[int] = []
    assert pulled(hub, wait=change, got=came.append).path.read_bytes() == data
    assert sum(came) == len(data)


def test_a_server_without_ranges(hub: LocalHub, data: bytes) -> None:
    hub.cuts, hub.ranges = [100_000, 150_000], False
    assert pulled(hub).path.read_bytes() == data


def test_a_part_of_other_content_is_thrown_away(hub: LocalHub, data: bytes, tmp_path: Path) -> None:
    hub.cuts = [200_000] + [0] * 9
    with pytest.raises(ModelError, match=r"cannot get Small-Q8_0\.gguf") as caught:
        pulled(hub)
    assert caught.value.hint is not None
    assert "0 MB are kept" in caught.value.hint
    hub.cuts = []
    hub.files["Small-Q8_0.gguf"] = small_gguf(tmp_path, seed=1)
    assert pulled(hub).path.read_bytes() == hub.files["Small-Q8_0.gguf"]
    assert hub.asked("/resolve/")[-1].get("range") is None


def test_a_wrong_sha256_is_refused_and_the_bytes_are_deleted(hub: LocalHub) -> None:
    hub.wrong = {"Small-Q8_0.gguf"}
    with pytest.raises(ModelError, match=r"is not what the hub says: its sha256 is \w{16}\.\.\., not 0000"):
        pulled(hub)
    assert not list(paths.models_folder().rglob("*.gguf*"))
    assert [model.name for model in catalog.models()] == [catalog.BUNDLED_NAME]


def test_bytes_too_many_are_refused(hub: LocalHub, data: bytes) -> None:
    entry = hub.entry("Small-Q8_0.gguf")
    entry["lfs"] = {"oid": hashlib.sha256(data[:-10]).hexdigest(), "size": len(data) - 10}
    hub.entry = lambda path: entry  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="is not what the hub says"):
        pulled(hub)


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(hub: LocalHub, data: bytes) -> None:
    with serving(LocalHub({"Small-Q8_0.gguf": data}, cuts=[1000])) as cdn:
        hub.cdn, hub.token = cdn.address, "hf_secret"
        assert pulled(hub, token="hf_secret").path.read_bytes() == data
        assert [headers.get("authorization") for _, headers in hub.log] == ["Bearer hf_secret"] * 3
        assert [headers.get("range") for _, headers in cdn.log] == [None, "bytes=1000-"]
        assert all("hf_secret" not in str(headers) for _, headers in cdn.log)
    assert "hf_secret" not in repr(Hub(hub.address, "hf_secret"))


@pytest.mark.parametrize(
    ("token", "text", "said", "hint"),
    [
        ("", "hf:org/model", "refuses org/model: it is private, or does not exist, and no token is set", "HF_TOKEN"),
        ("hf_wrong", "hf:org/model", "and the token in HF_TOKEN does not allow it", "HF_TOKEN"),
        ("hf_right", "hf:org/other", "has no org/other", "check the name"),
    ],
)
def test_what_the_hub_refuses(hub: LocalHub, token: str, text: str, said: str, hint: str) -> None:
    hub.token = "hf_right"
    with pytest.raises(ModelError) as caught:
        pulled(hub, text, token=token)
    assert said in caught.value.message
    assert hint in str(caught.value.hint)
    assert "hf_" not in caught.value.message + str(caught.value.hint)


def test_a_hub_that_is_busy_is_asked_again_and_a_dead_one_is_told(hub: LocalHub, data: bytes) -> None:
    hub.statuses = [503, 429, 500]
    assert pulled(hub).path.read_bytes() == data
    hub.statuses = [503] * 5
    with pytest.raises(ModelError, match="answers with status 503"):
        pulled(hub, name="again")
    nobody = LocalHub(address="http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"cannot ask for org/model: the connection to 127\.0\.0\.1:9 failed"):
        pulled(nobody)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("file://etc", "redirects to no web address"),
        ("http://[x", "redirects to no web address"),
        ("{own}/org/model/resolve", "without end"),
    ],
)
def test_redirects_without_end_and_to_nowhere(hub: LocalHub, address: str, said: str) -> None:
    hub.cdn = address.format(own=hub.address)
    with pytest.raises(ModelError, match=said):
        pulled(hub)


def test_no_redirect_goes_from_https_to_http() -> None:
    assert redirected("https://hub/a", "/b?c") == "https://hub/b?c"
    assert redirected("http://hub/a", "https://cdn/b") == "https://cdn/b"
    with pytest.raises(ModelError, match="redirects to an unencrypted address"):
        redirected("https://hub/a", "http://cdn/b")


def test_a_disk_that_gets_full_keeps_what_came(
    hub: LocalHub, data: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = Path.open
    left = 100_000

    class Full:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def write(self, piece: bytes) -> int:
            nonlocal left
            if len(piece) > left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            left -= len(piece)
            return int(self._stream.write(piece))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self._stream.close()

    def opened(path: Path, mode: str = "r", *args: Any, **how: Any) -> Any:
        stream = real(path, mode, *args, **how)
        return Full(stream) if path.name.endswith(".gguf.part") else stream

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(StorageError, match="the disk is full") as caught:
        pulled(hub)
    assert "run the same command again" in str(caught.value.hint)
    monkeypatch.undo()
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    assert pulled(hub).path.read_bytes() == data
    assert 0 < int(hub.asked("/resolve/")[-1]["range"].removeprefix("bytes=").removesuffix("-")) <= 100_000


def test_too_little_disk_is_told_before_anything_is_got(hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 100_200_000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match="1 MB are left to get, and 100 MB are free"):
        pulled(hub)
    assert not hub.asked("/resolve/")


def test_a_killed_pull_goes_on(hub: LocalHub, data: bytes) -> None:
    script = (
        "import os, signal, sys\n"
        "from fireside.models.download import Downloading\nfrom fireside.models.hub import Hub\n"
        "from fireside.models.pull import listed, pull\nfrom fireside.models.variants import parsed, variants\n"
        "hub = Hub(sys.argv[1]); listing = listed(hub, parsed('hf:org/model'), lambda seconds: None)\n"
        "total = 0\n"
        "def got(count):\n"
        "    global total\n"
        "    total += count\n"
        "    if total > 150_000: os.kill(os.getpid(), signal.SIGKILL)\n"
        "variant = variants(listing)[0]\n"
        "pull(hub, listing, variant, variant.name, Downloading(got))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, hub.address], env=os.environ.copy(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert pulled(hub).path.read_bytes() == data
    assert int(hub.asked("/resolve/")[-1]["range"].removeprefix("bytes=").removesuffix("-")) > 50_000


def test_two_pulls_at_once(hub: LocalHub) -> None:
    def second(count: int) -> None:
        with pytest.raises(ModelError, match="being downloaded by another process"):
            pulled(hub)

    pulled(hub, got=second)


@pytest.mark.parametrize(
    "path",
    ["../out.gguf", "a/../../out.gguf", "/etc/out.gguf", "a\\out.gguf", ".hidden.gguf", "C:out.gguf", "a/./b.gguf"],
)
def test_a_file_name_that_leads_elsewhere(hub: LocalHub, data: bytes, path: str) -> None:
    hub.files = {path: data}
    with pytest.raises(FiresideError, match="holds the file name"):
        pulled(hub, name="m")
    assert not hub.asked("/resolve/")


def test_a_file_that_is_no_model_after_all(hub: LocalHub) -> None:
    hub.files = {"Broken-Q8_0.gguf": b"no model" * 1000}
    with pytest.raises(ModelError, match="not a usable GGUF file"):
        pulled(hub)
    assert [model.name for model in catalog.models()] == [catalog.BUNDLED_NAME]


def test_a_model_in_several_files(hub: LocalHub, tmp_path: Path) -> None:
    hub.files = {f"Q4_K_M/Big-Q4_K_M-0000{n}-of-00002.gguf": small_gguf(tmp_path, seed=n) for n in (1, 2)}
    hub.files["Q4_K_M/Big-Q4_K_M-00002-of-00002.gguf"] = small_gguf(tmp_path, seed=2).replace(
        b"token_embd.weight", b"token_embd_weight"
    )
    hub.page = 1
    model = pulled(hub)
    assert (model.name, model.size) == ("Big-Q4_K_M", sum(map(len, hub.files.values())))
    assert model.path.name == "Big-Q4_K_M-00001-of-00002.gguf"
    assert pulled(hub) == model
    catalog.remove("Big-Q4_K_M")
    assert not list(paths.models_folder().glob("*.gguf"))


def safetensors(values: int = 600) -> bytes:
    header = json.dumps({"w": {"dtype": "F16", "shape": [values], "data_offsets": [0, 2 * values]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(2 * values)


def test_a_folder_of_safetensors(hub: LocalHub) -> None:
    hub.files = {
        "config.json": b'{"model_type": "llama"}',
        "tokenizer.json": b"{}" * 800,
        "model-00001-of-00002.safetensors": safetensors(),
        "model-00002-of-00002.safetensors": safetensors(700),
        "model.safetensors.index.json": json.dumps(
            {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
        ).encode(),
        "consolidated.safetensors": safetensors(),
        "pytorch_model.bin": b"pickle",
        "modeling_llama.py": b"print()",
        "onnx/model.onnx": b"",
    }
    model = pulled(hub)
    assert (model.name, model.kind, model.path) == ("model", "hf", paths.models_folder() / "model")
    assert sorted(path.name for path in model.path.iterdir()) == [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
    ]
    assert pulled(hub) == model
    hub.files["config.json"] = b'{"model_type": "qwen2"}'
    with pytest.raises(ModelError, match="there is another model called model"):
        pulled(hub)
    hub.files["model.safetensors.index.json"] = b'{"weight_map": {"a": "../../elsewhere.safetensors"}}'
    with pytest.raises(ModelError, match="lacks the file"):
        pulled(hub, name="other")


def test_a_small_file_is_compared_with_gits_digest(hub: LocalHub) -> None:
    hub.files = {"config.json": b'{"model_type": "llama"}', "model.safetensors": safetensors()}
    client = Hub(hub.address)
    listing = listed(client, parsed("hf:org/model"), lambda seconds: None)
    hub.files["config.json"] = b'{"model_type": "other"}'
    with pytest.raises(ModelError, match="its git digest is"):
        pull(client, listing, variants(listing)[0], "m", Downloading())
    client.close()


@pytest.mark.parametrize("text", ["hf:org/model", "hf:org/model/pytorch_model.bin", "hf:org/model:weights.pth"])
def test_pickled_weights_are_refused(hub: LocalHub, text: str) -> None:
    hub.files = {"pytorch_model.bin": b"pickle" * 1000, "weights.pth": b"", "config.json": b"{}"}
    with pytest.raises(ModelError, match="a pickle can run any program"):
        pulled(hub, text)


def test_what_is_left_to_get(hub: LocalHub, data: bytes) -> None:
    hub.cuts = [200_000] + [0] * 9
    with pytest.raises(ModelError):
        pulled(hub)
    client = Hub(hub.address)
    variant = variants(listed(client, parsed("hf:org/model"), lambda seconds: None))[0]
    client.close()
    assert kept_bytes(variant, variant.name) == 200_000
    assert left_to_get(variant, variant.name) == len(data) - 200_000


def test_the_hub_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.setenv("HF_TOKEN", " hf_x\n")
    assert (Hub.from_environment().endpoint, Hub.from_environment().token) == ("https://huggingface.co", "hf_x")
    for wrong in ("ftp://hub", "hub", "http://user:secret@hub", "http://[x", "http://h:x"):
        monkeypatch.setenv("HF_ENDPOINT", wrong)
        with pytest.raises(ModelError, match="HF_ENDPOINT is not the address of a hub"):
            Hub.from_environment()
