"""The extension compiled in place, next to its Python sources: what a bare machine needs first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(cuda: str = "ON") -> None:
    """For this interpreter; `cuda` is HOPCODEC_CUDA: ON for this machine's GPU, STANDIN, OFF."""
    folder = ROOT / "build" / f"bench_cuda_{cuda.lower()}"
    pybind11 = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(
        [
            *(
                "cmake",
                "-G",
                "Ninja",
                "-S",
                str(ROOT),
                "-B",
                str(folder),
                f"-DHOPCODEC_CUDA={cuda}",
            ),
            *(f"-Dpybind11_DIR={pybind11}", f"-DPython_EXECUTABLE={sys.executable}"),
        ],
        check=True,
    )
    subprocess.run(["cmake", "--build", str(folder), "--target", "_core"], check=True)
    for library in folder.glob("_core*.so"):
        target = ROOT / "python" / "hopcodec" / library.name
        target.unlink(missing_ok=True)
        target.write_bytes(library.read_bytes())


if __name__ == "__main__":
    build(*sys.argv[1:])
