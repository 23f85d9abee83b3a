"""Load models of `transformers` from files that may be anybody's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from transformers import PreTrainedConfig, PreTrainedModel

import torch
from hopcodec.errors import WeightsError
from hopcodec.weights._hub import REPOSITORIES
from hopcodec.weights._limits import read_file
from hopcodec.weights._raw import READABLE, RawTensor
from hopcodec.weights.formats._safetensors import read_safetensors
from hopcodec.weights.formats._torch import read_torch
from torch import Tensor, nn

_BIN = "pytorch_model.bin"
GAIN, DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"
# What training keeps beside a codebook: a file need not hold it.
_TRAINING_ONLY = (".inited", ".cluster_size", ".embed_avg")
# Arguments of `from_pretrained` that say where files are: the configuration is there, too.
PLACE = (
    "cache_dir",
    "force_download",
    "local_files_only",
    "proxies",
    "revision",
    "subfolder",
    "token",
)


class StrictLoading(PreTrainedModel if TYPE_CHECKING else object):  # type: ignore[misc]
    """Mix into a model, before the class of `transformers`."""

    config_class: type[PreTrainedConfig]

    @classmethod
    def check_config(cls, config: PreTrainedConfig) -> None:
        """Raise TypeError or ValueError naming the field that makes no model of a sane size."""
        raise NotImplementedError

    @classmethod
    def own_name(cls, name: str, config: PreTrainedConfig) -> str:
        """Return how this model spells a tensor that a file may spell otherwise."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str] | None, *args: Any, **kwargs: Any
    ) -> Any:
        """Load a model as `transformers` does, but refuse files that do not fit it exactly.

        Parameters
        ----------
        pretrained_model_name_or_path
            A folder, a repository of the Hugging Face hub, one of hopcodec's own names
            ("encodec_24khz", "dac_44khz", ...), or one file (`.safetensors`, `.th`, `.pth`, `.bin`)
            with `config` or a `config.json` beside it; an EnCodec's may be of its authors.
        *args, **kwargs
            As in `transformers`. Pickled weights on the hub are read only with
            `use_safetensors=False`; those of a local folder are read without running code.

        Raises
        ------
        OSError
            A file is absent.
        WeightsError
            A configuration makes no sane model, or the weights do not hold exactly its tensors, all
            finite. This is found before anything of the size that a file claims is allocated.
        """
        source = pretrained_model_name_or_path
        if source is None:
            return super().from_pretrained(None, *args, **kwargs)
        if isinstance(source, str) and not Path(source).exists():
            source = REPOSITORIES.get(source, source)
        config = kwargs.pop("config", None)
        if config is None:
            config = source if not Path(source).is_file() else Path(source).parent
        if not isinstance(config, PreTrainedConfig):
            config = cls._read_config(config, kwargs)
        wants_info = kwargs.pop("output_loading_info", False)
        file = _own_file(Path(source), kwargs)
        if file is None:
            kwargs.setdefault("use_safetensors", True)
        else:
            kwargs["state_dict"] = cls._read_weights(file, config)
            source = None
        try:
            model, info = super().from_pretrained(
                source, *args, config=config, output_loading_info=True, **kwargs
            )
        except SafetensorError as error:
            raise WeightsError(f"{source}: malformed: {error}") from error
        if not kwargs.get("ignore_mismatched_sizes"):
            _refuse(info["missing_keys"], info["unexpected_keys"], info["mismatched_keys"])
            _check_finite(model)
        return (model, info) if wants_info else model

    @classmethod
    def _read_config(cls, source: Any, kwargs: dict[str, Any]) -> PreTrainedConfig:
        """Read and check `config.json`; fields among `kwargs` override it and are taken out."""
        kind = cls.config_class
        fields = vars(kind()).keys() - {"dtype"}
        overrides = {name: kwargs.pop(name) for name in list(kwargs) if name in fields}
        place = {name: kwargs[name] for name in PLACE if name in kwargs}
        given, _ = kind.get_config_dict(source, **place)
        if not given:  # transformers would take the default configuration
            raise FileNotFoundError(f"{source}: expected a config.json in it, got none")
        try:
            _check_names(given, kind)
            config = kind.from_dict({**given, **overrides})
            cls.check_config(config)
        except Exception as error:  # whatever a library makes of a malformed file
            raise WeightsError(f"{source}: config.json: {error}") from error
        return config

    @classmethod
    def _read_weights(cls, file: Path, config: PreTrainedConfig) -> dict[str, Tensor]:
        try:
            data = read_file(file)
            read = read_safetensors if file.suffix == ".safetensors" else read_torch
            with torch.device("meta"):
                expected = cls(config).state_dict()
            return state_for(read(data)[0], expected, lambda name: cls.own_name(name, config))
        except WeightsError as error:
            raise WeightsError(f"{file}: {error}") from error
        except Exception as error:  # whatever a library makes of a malformed file
            raise WeightsError(f"{file}: malformed: {type(error).__name__}: {error}") from error

    @staticmethod
    def _finalize_model_loading(model: Any, load_config: Any, loading_info: Any) -> Any:
        # transformers now allocates what the files lack. What it found is told a second time by
        # `output_loading_info`, so that nothing is let in if it no longer asks here.
        if load_config.pretrained_model_name_or_path and not load_config.ignore_mismatched_sizes:
            _refuse(
                loading_info.missing_keys,
                loading_info.unexpected_keys,
                loading_info.mismatched_keys,
            )
        return PreTrainedModel._finalize_model_loading(model, load_config, loading_info)


def _own_file(source: Path, kwargs: Mapping[str, Any]) -> Path | None:
    """Return the file that is read here: one given by name, or a folder's only pickle."""
    if source.is_file():
        return source
    folder = source / (kwargs.get("subfolder") or "")
    named = kwargs.get("variant") or kwargs.get("gguf_file") or "use_safetensors" in kwargs
    if named or any(folder.glob("*.safetensors*")) or not (folder / _BIN).is_file():
        return None
    return folder / _BIN


def _check_names(given: Mapping[str, Any], kind: type[PreTrainedConfig]) -> None:
    """Refuse a field that is of another model, or would hide a method."""
    if (other := given.get("model_type", kind.model_type)) != kind.model_type:
        raise WeightsError(f"model_type: expected {kind.model_type!r}, got {other!r:.100}")
    for name in given:
        own = getattr(kind, name, None)
        if callable(own) or isinstance(own, property) or name.startswith("__"):
            raise WeightsError(f"{name}: expected a setting, got a name that {kind.__name__} uses")


def _refuse(missing: Any, surplus: Any, mismatched: Any) -> None:
    for name, found, expected in sorted(mismatched):
        raise WeightsError(f"tensor {name}: expected shape {tuple(expected)}, got {tuple(found)}")
    for name in sorted(missing):
        if not name.endswith(_TRAINING_ONLY):
            raise WeightsError(f"missing tensor {name}")
    for name in sorted(surplus):
        raise WeightsError(f"surplus tensor {name}")


def _check_finite(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if not (tensor.is_meta or tensor.isfinite().all()):
            raise WeightsError(f"tensor {name}: expected finite numbers")


def state_for(
    tensors: Mapping[str, RawTensor], expected: Mapping[str, Tensor], own_name: Callable[[str], str]
) -> dict[str, Tensor]:
    """Bring a file's tensors to the names and shapes that a model expects.

    Where the model has weight norm and the file a plain matrix, the gain becomes its norm.
    """
    found: dict[str, tuple[str, RawTensor]] = {}
    for label, tensor in tensors.items():
        name = own_name(label)
        if name in found:
            raise WeightsError(f"tensor {name} is given twice: as {found[name][0]} and {label}")
        found[name] = (label, tensor)
    state: dict[str, Tensor] = {}
    for name, like in expected.items():
        plain = name.replace(DIRECTION, ".weight")
        if name in found:
            state[name] = _read(*found.pop(name), like)
        elif name.endswith(DIRECTION) and plain in found:
            state[name] = _read(*found.pop(plain), like)
            norm = state[name].flatten(1).norm(dim=1)
            state[name.replace(DIRECTION, GAIN)] = norm.view(-1, *(1,) * (like.ndim - 1))
    _refuse(expected.keys() - state.keys(), [label for label, _ in found.values()], [])
    for name in expected.keys() - state.keys():
        state[name] = torch.full(expected[name].shape, float(name.endswith(".inited")))
    return state


def _read(label: str, tensor: RawTensor, like: Tensor) -> Tensor:
    shape = tuple(like.shape)
    if tensor.dtype not in READABLE:
        raise WeightsError(f"tensor {label}: expected {' or '.join(READABLE)}, got {tensor.dtype}")
    if tensor.shape != shape:  # before read(): a file may claim any shape
        raise WeightsError(f"tensor {label}: expected shape {shape}, got {tensor.shape}")
    return torch.from_numpy(tensor.read())
