"""What the documentation shows, runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from live_servers import jack_server

import hopcodec

README = (Path(__file__).parents[2] / "README.md").read_text()
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(hopcodec.__path__, "hopcodec.")
    if not module.name.endswith("__main__")
)


def test_examples_in_docstrings() -> None:
    attempted = 0
    for name in ["hopcodec", *MODULES]:
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name
        attempted += result.attempted
    assert attempted >= 10


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_example_of_the_readme(speech: npt.NDArray[np.float32]) -> None:
    class Speaker:
        def __init__(self) -> None:
            self.heard: list[npt.NDArray[np.float32]] = []

        def write(self, audio: npt.NDArray[np.float32]) -> None:
            self.heard.append(audio)

    speaker = Speaker()
    audio = np.ascontiguousarray(speech[:, :24000])
    names = {
        "microphone": [audio[:, i : i + 777] for i in range(0, 24000, 777)],
        "speaker": speaker,
        "audio": audio,
    }
    exec(snippets()[0], names)  # the example decodes into `audio`; ours is still in `audio` here
    tail = names["tail"]
    assert isinstance(tail, tuple)
    streamed = np.concatenate([*speaker.heard, *tail], axis=1)
    np.testing.assert_array_equal(streamed, names["audio"])


def test_the_kernels_of_the_readme() -> None:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> npt.NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    names = {
        "x": normal(4, 100),
        "weight": normal(8, 4, 4),
        "bias": normal(8),
        "state": normal(4, 2),
        "latents": normal(16, 10),
        "codebooks": normal(2, 64, 16),
    }
    exec(snippets()[3], names)
    assert names["codes"].shape == (2, 10)
    listed = re.findall(r"`(\w+)`", README[README.index("`causal_conv1d`") :].split("\n")[0])
    assert sorted(listed) == sorted(hopcodec.ops.__all__)


def test_the_drop_in_of_the_readme(tmp_path: Path) -> None:
    from hopcodec.torch.hf import DacConfig, DacFeatureExtractor, DacModel

    config = DacConfig(
        encoder_hidden_size=4, decoder_hidden_size=64, downsampling_ratios=[2, 4, 5, 8]
    )
    DacModel(config).save_pretrained(tmp_path)
    DacFeatureExtractor(sampling_rate=16000, hop_length=320).save_pretrained(tmp_path)
    sounds = [np.sin(np.arange(n)).astype(np.float32) for n in (3200, 5000)]
    names: dict[str, object] = {"folder": tmp_path, "sounds": sounds}
    exec(snippets()[2], names)
    assert names["codes"].shape == (2, config.n_codebooks, 16)  # type: ignore[attr-defined]
    assert names["heard"].shape[0] == 2  # type: ignore[attr-defined]


def test_the_live_example_of_the_readme(
    codec: hopcodec.Codec, capsys: pytest.CaptureFixture[str]
) -> None:
    code = snippets()[1].replace("live.wait(5.0)", "live.wait(1.0)")
    with jack_server():
        exec(code, {"hopcodec": hopcodec, "codec": codec})
    total, p99_ms, *_ = map(float, capsys.readouterr().out.split())
    assert total > 0
    assert p99_ms > 0


def test_every_command_of_the_readme_exists() -> None:
    from typer.main import get_command

    from hopcodec.cli._app import app

    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    shown = set(re.findall(r"^hopcodec (\w+)", README, re.MULTILINE))
    assert shown == commands
