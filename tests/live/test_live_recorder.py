"""Recordings hold every sample, and a disk that is full costs the recording, not the session."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

import hopcodec
from hopcodec import Codec

pytestmark = pytest.mark.live

# The kernel refuses to let any file grow beyond 100 kB: as a full disk does, in the middle.
FULL_DISK = """
import resource, signal, sys, time
import numpy as np, hopcodec
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
audio = np.zeros((1, 24000 * 3), np.float32)
live = hopcodec.live.Loopback(hopcodec.load(), input=audio, record=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with live:
    assert live.wait(20.0)
assert live.heard().shape == audio.shape
print(live.recording_failure)
with live:  # and it starts again
    live.wait(0.2)
"""


@pytest.mark.slow
def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the recording ended early: " in done.stdout
    assert "Traceback" not in done.stderr


def test_nothing_need_be_called_for_a_recording(tiny: Codec, tmp_path: Path) -> None:
    audio = (0.1 * np.random.default_rng(0).standard_normal((1, 24000))).astype(np.float32)
    with hopcodec.live.Loopback(tiny, input=audio, bandwidth=3.6, record=tmp_path):
        time.sleep(1.5)
    captured, rate = soundfile.read(tmp_path / "captured.wav", dtype="float32")
    assert rate == 24000
    np.testing.assert_array_equal(captured[:24000], audio[0])


def test_a_long_wait_hears_ctrl_c(tmp_path: Path) -> None:
    import signal

    code = """
import numpy as np, hopcodec
with hopcodec.live.Loopback(hopcodec.load(), input=np.zeros((1, 24000 * 60), np.float32)) as live:
    print("ready", flush=True)
    live.wait(50.0)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)  # far less than the wait
    assert "KeyboardInterrupt" in err
