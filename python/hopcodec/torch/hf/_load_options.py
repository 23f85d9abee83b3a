"""What `transformers` lets callers of `from_pretrained` ask for beyond the files.

Every argument known there is either carried out, or without effect on the result and so accepted,
or refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

# They say how to read quickly, or allow code to be run: memory is little, and no code is run.
WITHOUT_EFFECT = (
    "attn_implementation",
    "low_cpu_mem_usage",
    "resume_download",
    "trust_remote_code",
    "weights_only",
)
REFUSED = (
    "adapter_kwargs",
    "from_flax",
    "from_tf",
    "generation_config",
    "gguf_file",
    "ignore_mismatched_sizes",
    "key_mapping",
    "load_in_4bit",
    "load_in_8bit",
    "max_memory",
    "mirror",
    "offload_buffers",
    "offload_folder",
    "offload_state_dict",
    "output_loading_info",
    "proxies",
    "quantization_config",
    "state_dict",
    "tp_plan",
    "tp_size",
    "use_auth_token",
    "use_safetensors",
    "variant",
)


def take_placement(options: dict[str, Any]) -> dict[str, Any]:
    """Move what says where and in which precision a model is to be out of `options`.

    Returns arguments of `torch.nn.Module.to`.

    Raises
    ------
    TypeError
        An argument that only `transformers` carries out, or a dtype or device that is none.
    """
    for name in REFUSED:
        if options.pop(name, None) is not None:
            raise TypeError(
                f"{name}: expected no such argument, which only transformers carries out"
            )
    for name in WITHOUT_EFFECT:
        options.pop(name, None)
    where: dict[str, Any] = {}
    for name in ("dtype", "torch_dtype"):
        if (dtype := options.pop(name, None)) is not None:
            where["dtype"] = _dtype(name, dtype)
    if (device := options.pop("device_map", None)) is not None:
        where["device"] = _device(device)
    return where


def _dtype(name: str, given: object) -> torch.dtype:
    found = getattr(torch, given, None) if isinstance(given, str) else given
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise TypeError(f"{name}: expected a floating point dtype or its name, got {given!r:.100}")
    return found


def _device(given: object) -> torch.device:
    """One device for the whole model; "auto" is the accelerator, or without one the CPU."""
    if isinstance(given, Mapping) and set(given) == {""}:
        given = given[""]
    if isinstance(given, str) and given == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(given, (str, int, torch.device)) and not isinstance(given, bool):
        try:
            return torch.device(given)
        except RuntimeError as error:
            raise TypeError(f"device_map: expected a device, got {given!r:.100}") from error
    raise TypeError(f"device_map: expected one device or auto, got {given!r:.100}")
