"""Every script in python/examples runs as it stands and prints what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from live_servers import jack_server

EXAMPLES = Path(__file__).parents[2] / "python" / "examples"

# Patterns that must be found in the output, in this order.
OUTPUT = {
    "code_a_file": [
        r"10\.56 s of audio, 792 frames of 8 codes",
        r"coded\.hop: 8\d{3} bytes, 6\.\d\d kbit/s",
        r"decoded\.wav: 253440 samples at 24000 Hz",
    ],
    "hop_by_hop": [
        r"375 hops of 320 samples at 6 kbit/s",
        r"per hop: median [\d.]+ ms, worst [\d.]+ of 13\.33 ms",
        r"same bits as the whole file: True",
    ],
    "many_streams": [
        r"64 callers, a hop of each: median [\d.]+ of 13\.33 ms",
        r"caller 0 heard what a stream of its own gives: True",
    ],
    "microphone": [
        r"[1-9]\d* hops, \d+ late, \d+ underruns",
        r"latency [\d.]+ ms, of which the codec adds 16\.7",
    ],
    "move_a_stream": [
        r"moved a state of \d{5} bytes after 150 frames",
        r"same codes as without the move: True",
    ],
    "own_weights": [
        r"<hopcodec.Codec hopcodec_24khz: 24000 Hz",
        r"weights [0-9a-f]{8}: files coded with others are refused",
        r"1 s of speech: 75 frames of 8 codes",
    ],
    "read_hop_without_hopcodec": [
        r"hopcodec_24khz at 24000 Hz, 2 codes per frame",
        r"first frame: \[\d+, \d+\]",
        r"225 frames",
    ],
    "socket_stream": [r"received 2250 bytes for 3\.00 s: 6\.00 kbit/s", r"decoded: received\.wav"],
    "train_tiny": [
        r"trained \d+ steps: hopcodec_24khz, weights [0-9a-f]{8}",
        r"the clip at 6 kbit/s: SI-SNR [4-9]\.\d dB",
    ],
    "transformers_swap": [
        r"codes \(1, 1, 8, 150\): (99|100)\.\d\d % equal",
        r"transformers \d+ ms, hopcodec \d+ ms",
    ],
}
# These import torch and more, which takes longer than all the others together.
SLOW = {"train_tiny", "transformers_swap", "microphone", "many_streams"}
# A machine with a microphone would open it.
ARGUMENTS = {"microphone": ["--clip"]}


def run(name: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def expect(name: str, output: str) -> None:
    at = 0
    for pattern in OUTPUT[name]:
        found = re.compile(pattern).search(output, at)
        assert found, f"expected {pattern!r} in:\n{output}"
        at = found.end()


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(OUTPUT)
    assert len(OUTPUT) >= 8


def check(name: str, folder: Path) -> None:
    expect(name, run(name, folder, *ARGUMENTS.get(name, [])))
    for wav in folder.glob("*.wav"):
        audio, rate = soundfile.read(wav)
        assert rate == 24000
        assert abs(audio).max() > 0.05, f"{wav.name} is silent"


@pytest.mark.parametrize("name", sorted(set(OUTPUT) - SLOW))
def test_examples(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_slow_examples(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)


@pytest.mark.slow
@pytest.mark.live
def test_the_microphone_example_with_devices(tmp_path: Path) -> None:
    with jack_server():
        output = run("microphone", tmp_path, "--seconds", "1")
    assert "clip" not in output
    expect("microphone", output)
