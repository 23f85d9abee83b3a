"""Fetching published weights, with the hub played by a stand-in."""

from __future__ import annotations

import hashlib
import sys
import types
from pathlib import Path

import pytest

from hopcodec.errors import WeightsError
from hopcodec.specs._encodec import encodec_24khz
from hopcodec.weights import fetch, load_weights

WEIGHTS = b"weights"
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


class Hub:
    """A cache as huggingface_hub lays it out: files under their ETag, linked to by name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.content = WEIGHTS
        self.links = True
        self.etag: str | None = DIGEST
        self.error: Exception | None = None
        self.asked: list[tuple[str, str]] = []

    def hf_hub_download(self, repository: str, filename: str) -> str:
        self.asked.append((repository, filename))
        if self.error:
            raise self.error
        blobs, snapshot = self.root / "blobs", self.root / "snapshots" / "0123"
        blobs.mkdir(exist_ok=True)
        snapshot.mkdir(parents=True, exist_ok=True)
        large = filename == "model.safetensors"
        blob = blobs / (DIGEST if large else "a" * 40)
        blob.write_bytes(self.content if large else b"{}")
        path = snapshot / filename
        if self.links:
            path.symlink_to(blob)
        else:
            blob.rename(path)
        return str(path)

    def hf_hub_url(self, repository: str, filename: str) -> str:
        return f"https://hub/{repository}/{filename}"

    def get_hf_file_metadata(self, url: str) -> types.SimpleNamespace:
        assert url == "https://hub/facebook/encodec_24khz/model.safetensors"
        return types.SimpleNamespace(etag=self.etag)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    return hub


@pytest.mark.parametrize("links", [True, False])
def test_fetch(hub: Hub, links: bool) -> None:
    hub.links = links
    folder = fetch("encodec_24khz")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    files = ["config.json", "model.safetensors"]
    assert hub.asked == [("facebook/encodec_24khz", file) for file in files]


@pytest.mark.parametrize("links", [True, False])
def test_damaged_download(hub: Hub, links: bool) -> None:
    hub.links = links
    hub.content = b"Weights"
    wrong = hashlib.sha256(hub.content).hexdigest()
    with pytest.raises(WeightsError, match=f"expected SHA-256 {DIGEST}, got {wrong}"):
        fetch("encodec_24khz")


def _one_sentence_of_help(message: str) -> None:
    for part in (
        "encodec_24khz could not be fetched",
        'hopcodec.load("path/to/folder-or-file")',
        "--model",
        "facebook/encodec_24khz",
        "model.safetensors",
        "encodec_24khz-d7cc33bc.th",
    ):
        assert part in message
    assert "\n" not in message
    assert ". " not in message


@pytest.mark.parametrize("error", [OSError("no route to host"), ValueError("gone"), TimeoutError()])
def test_offline(hub: Hub, error: Exception) -> None:
    hub.error = error
    with pytest.raises(WeightsError) as caught:
        fetch("encodec_24khz")
    _one_sentence_of_help(str(caught.value))
    assert f"({type(error).__name__})" in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("etag", [None, "a" * 40])
def test_hub_that_gives_no_digest(hub: Hub, etag: str | None) -> None:
    hub.links, hub.etag = False, etag
    with pytest.raises(WeightsError) as caught:
        fetch("encodec_24khz")
    _one_sentence_of_help(str(caught.value))


def test_hub_library_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError) as caught:
        fetch("encodec_24khz")
    _one_sentence_of_help(str(caught.value))


def test_real_library_when_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def download(repository: str, filename: str) -> str:
        return huggingface_hub.hf_hub_download(
            repository, filename, cache_dir=tmp_path, local_files_only=True
        )

    offline = types.SimpleNamespace(hf_hub_download=download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", offline)
    with pytest.raises(WeightsError) as caught:
        fetch("encodec_24khz")
    _one_sentence_of_help(str(caught.value))


def test_unknown_name() -> None:
    with pytest.raises(WeightsError, match=r"expected one of encodec_24khz, .*, got 'mp3'"):
        fetch("mp3")


@pytest.mark.parametrize("name", ["encodec_32khz", "encodec_48khz"])
def test_the_other_models_are_looked_for_where_they_are(hub: Hub, name: str) -> None:
    fetch(name)
    assert {repository for repository, _ in hub.asked} == {f"facebook/{name}"}
    hub.error = OSError("no route to host")
    with pytest.raises(WeightsError) as caught:
        fetch(name)
    # Meta published no file of its own for the 32 kHz model.
    original = {"encodec_32khz": "", "encodec_48khz": "encodec_48khz-7e698e3e.th"}[name]
    assert ("the authors'" in str(caught.value)) == bool(original)
    assert str(caught.value).endswith(original or "model.safetensors alone")


def test_file_that_only_bears_the_published_name(tmp_path: Path) -> None:
    path = tmp_path / "encodec_24khz-d7cc33bc.th"
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="expected a SHA-256 starting with d7cc33bc, got "):
        load_weights(path, encodec_24khz())


def test_file_of_the_published_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "encodec_24khz-d7cc33bc.th"
    path.write_bytes(WEIGHTS)
    table = {"encodec_24khz-d7cc33bc.th": DIGEST[:8]}
    monkeypatch.setattr("hopcodec.weights._hub.ORIGINAL_FILES", table)
    with pytest.raises(WeightsError, match="expected the zip archive"):  # the digest passed
        load_weights(path, encodec_24khz())
