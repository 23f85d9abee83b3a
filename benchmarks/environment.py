"""Where a figure was measured: machine, instruction sets, threads, commit, versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "hopcodec",
    "numpy",
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "openvino",
)
# The flags that decide how fast a matrix product can go, in the spelling of /proc/cpuinfo.
FLAGS = (
    "avx2",
    "fma",
    "avx512f",
    "avx512bw",
    "avx512_bf16",
    "avx512_vnni",
    "avx_vnni",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
)


def pin_to_one_core(core: int | None = None) -> int | None:
    """Pins the process to `core` (default: the last one allowed) and its libraries to one thread.

    Call it before any runtime is imported: they size their thread pools when they are. Returns the
    core, or None where the system has no such call.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MKL_NUM_THREADS"] = "1"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return None
    if core is None:
        core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def interruptions() -> int:
    """How often another program has taken the core from this process so far."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _cpuinfo() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {}
    first = text.split("\n\n", 1)[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _caches() -> dict[str, str]:
    found: dict[str, str] = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (index / part).read_text(encoding="utf-8").strip()
                for part in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _commit() -> str:
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _isa() -> str:
    try:
        from hopcodec import _core
    except ImportError:
        return "core not built"
    return str(_core.isa())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def environment(core: int | None) -> dict[str, Any]:
    """Everything a reader needs to judge or repeat a measurement, ready for JSON."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cpu_family_model": f"{info.get('cpu family', '?')}/{info.get('model', '?')}",
        "architecture": platform.machine(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "caches": _caches(),
        "cores": os.cpu_count(),
        "pinned_core": core,
        "threads": 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "hopcodec_isa": _isa(),
        "commit": _commit(),
        "versions": {package: _version(package) for package in PACKAGES},
    }
