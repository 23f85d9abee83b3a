"""Models in folders as Hugging Face lays them out: `config.json` beside `model.safetensors`.

`transformers` reads the folders written here, and the other way round; it is not needed.
"""

from __future__ import annotations

import dataclasses
import json
import numbers
import os
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from safetensors.torch import save_file

import torch
from hopcodec.errors import WeightsError
from hopcodec.torch.hf._load_options import take_placement
from hopcodec.torch.hf._locate import Source, locate, take_hub_options
from hopcodec.torch.hf._settings import keep_extra
from hopcodec.weights._assemble import check_tensor
from hopcodec.weights._limits import MAX_HEADER_BYTES, read_file
from hopcodec.weights._raw import READABLE, RawTensor
from hopcodec.weights.formats._json import parse_object
from torch import Tensor, nn

CONFIG_FILE = "config.json"
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")

# Weight norm as `torch.nn.utils.parametrizations` spells it, and as files do.
_GAIN, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"

ConfigT = TypeVar("ConfigT", bound="PretrainedConfig")
ModelT = TypeVar("ModelT", bound="PretrainedModel")


@dataclasses.dataclass(init=False)
class PretrainedConfig:
    """Base of the configurations: the fields of a dataclass, and whatever else a file holds.

    Subclasses are `dataclass(init=False)` whose fields all have defaults; arguments may be given by
    position or by name. Arguments that are no field are kept as attributes and written back, so
    that nothing a file says is lost. `return_dict=False` makes models give plain tuples.
    """

    model_type: ClassVar[str] = ""
    return_dict: ClassVar[bool] = True  # an instance may have its own

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = [field.name for field in dataclasses.fields(self)]
        if len(args) > len(names):
            raise TypeError(
                f"{type(self).__name__}: expected at most {len(names)} arguments by position, "
                f"got {len(args)}"
            )
        by_position = dict(zip(names, args, strict=False))
        if twice := sorted(by_position.keys() & kwargs.keys()):
            raise TypeError(f"{type(self).__name__}: {twice[0]} is given twice")
        given = {**by_position, **kwargs}
        model_type = given.pop("model_type", self.model_type)
        if model_type != self.model_type:
            raise ValueError(f"model_type: expected {self.model_type!r}, got {model_type!r}")
        hints = get_type_hints(type(self))
        for field in dataclasses.fields(self):
            value = given.pop(field.name, field.default)
            if not _fits(value, hints[field.name]):
                raise TypeError(f"{field.name}: expected {field.type}, got {value!r:.100}")
            setattr(self, field.name, value)
        for name, value in given.items():
            keep_extra(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """For what a subclass derives or checks."""

    @property
    def use_return_dict(self) -> bool:
        """Whether models give a `ModelOutput` rather than a tuple."""
        return self.return_dict

    @classmethod
    def from_dict(cls: type[ConfigT], values: Mapping[str, Any], **overrides: Any) -> ConfigT:
        """From what `to_dict` gave."""
        return cls(**{**values, **overrides})

    @classmethod
    def from_pretrained(cls: type[ConfigT], source: Source, **kwargs: Any) -> ConfigT:
        """Read `config.json` of a folder or hub repository; `kwargs` override its fields.

        Raises
        ------
        WeightsError
            It is absent, no JSON object, or of another kind of model.
        """
        path = locate(source, (CONFIG_FILE,), take_hub_options(kwargs))
        try:
            return cls(**{**parse_object(read_file(path, MAX_HEADER_BYTES)), **kwargs})
        except (WeightsError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: {error}") from error

    def least_bytes(self) -> int:
        """What a file of this model's weights takes at least.

        A model is made only for a file of that size: a few numbers of a `config.json` must not
        take all memory. ValueError for a configuration of no model at all.
        """
        return 0

    def to_dict(self) -> dict[str, Any]:
        """Every field and every extra, and the `model_type`."""
        return {**vars(self), "model_type": self.model_type}

    def to_json_string(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `config.json` into a folder, made if need be."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / CONFIG_FILE).write_text(self.to_json_string(), encoding="utf-8")


def _fits(value: object, hint: Any) -> bool:
    """Whether `value` is what a field's annotation says; a whole number is a float, too."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if get_origin(hint) is Sequence:
        if not isinstance(value, (list, tuple)):
            return False
        return all(_fits(item, get_args(hint)[0]) for item in value)
    if hint in (int, float):
        number = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)


class PretrainedModel(nn.Module):
    """Base of the models: modules that know their configuration and their files.

    A subclass sets `config_class`, takes the configuration as its first argument, and says with
    `canonical_name` how files may spell its tensors.
    """

    config_class: ClassVar[type[PretrainedConfig]] = PretrainedConfig
    main_input_name: ClassVar[str] = "input_values"

    def __init__(self, config: Any) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            expected = self.config_class.__name__
            raise TypeError(f"config: expected {expected}, got {type(config).__name__}")
        self.config: Any = config

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the parameters."""
        return next(self.parameters()).dtype

    def _as_dict(self, return_dict: bool | None) -> bool:
        return bool(self.config.return_dict if return_dict is None else return_dict)

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Numbers in the parameters; without those of `nn.Embedding`, or of what does not train."""
        tables = (m for m in self.modules() if exclude_embeddings and isinstance(m, nn.Embedding))
        left_out = {id(parameter) for table in tables for parameter in table.parameters()}
        return sum(
            parameter.numel()
            for parameter in self.parameters()
            if id(parameter) not in left_out and (parameter.requires_grad or not only_trainable)
        )

    @staticmethod
    def canonical_name(name: str) -> str:
        """One spelling for all that files use; weight norm is `.weight_g` and `.weight_v` in it."""
        name = name.removesuffix(_GAIN) + ".weight_g" if name.endswith(_GAIN) else name
        return name.removesuffix(_DIRECTION) + ".weight_v" if name.endswith(_DIRECTION) else name

    def may_be_missing(self, name: str) -> bool:
        """Whether a file need not hold the tensor of this canonical name."""
        return False

    @classmethod
    def from_pretrained(cls: type[ModelT], source: Source, **kwargs: Any) -> ModelT:
        """A model from a folder, or from the hub, in evaluation mode.

        Parameters
        ----------
        source
            A folder with `config.json` and `model.safetensors` (or `pytorch_model.bin`), or the
            name of a repository on the hub.
        config
            Used instead of `config.json`.
        dtype
            Of the parameters; float32 without it. `torch_dtype` is the same.
        device_map
            The device for the whole model; "auto" is the accelerator, if there is one.
        **kwargs
            Fields of the configuration to override, arguments of `hf_hub_download` (`revision`,
            `cache_dir`, `local_files_only`, ...) and arguments of the model itself. Of those of
            `transformers`, `_load_options` lists what is without effect and refused.

        Raises
        ------
        TypeError
            An argument that is not known, or that only `transformers` carries out.
        WeightsError
            A file is absent, malformed, or does not hold exactly this model's tensors.
        """
        hub = take_hub_options(kwargs)
        config = kwargs.pop("config", None)
        placement = take_placement(kwargs)
        if config is None:
            known = {field.name for field in dataclasses.fields(cls.config_class)}
            overrides = {n: kwargs.pop(n) for n in list(kwargs) if n in known | {"return_dict"}}
            config = cls.config_class.from_pretrained(source, **hub, **overrides)
        path = locate(source, WEIGHTS_FILES, hub)
        data = read_file(path)
        try:
            if (least := config.least_bytes()) > len(data):
                raise WeightsError(f"expected {least} bytes at least, got {len(data)}")
            model = cls(config, **kwargs)
            model.load_tensors(_reader(path)(data))
        except (WeightsError, ValueError) as error:
            raise WeightsError(f"{path}: {error}") from error
        return model.to(**placement).eval() if placement else model.eval()

    def load_tensors(self, tensors: Mapping[str, RawTensor]) -> None:
        """Take every parameter and buffer from a file's tensors, in any spelling.

        Where the model has weight norm and the file a plain matrix, the gain becomes the norm of
        the matrix.

        Raises
        ------
        WeightsError
            Naming the first tensor that is missing, surplus, given twice, misshapen or not finite.
        """
        found: dict[str, tuple[str, RawTensor]] = {}
        for label, tensor in tensors.items():
            name = self.canonical_name(label)
            if name in found:
                raise WeightsError(f"tensor {name} is given twice: as {found[name][0]} and {label}")
            found[name] = (label, tensor)
        state: dict[str, Tensor] = {}
        for own, present in self.state_dict().items():
            name = self.canonical_name(own)
            plain = name.removesuffix("_g").removesuffix("_v")
            if name in found:
                state[own] = _read(*found.pop(name), present)
            elif plain in found and own.endswith(_DIRECTION):
                state[own] = _read(*found.pop(plain), present)
                norm = state[own].flatten(1).norm(dim=1)
                state[own.replace(_DIRECTION, _GAIN)] = norm.view(-1, *(1,) * (present.ndim - 1))
            elif not (plain in found or self.may_be_missing(name)):
                raise WeightsError(f"missing tensor {name}: expected shape {tuple(present.shape)}")
        if found:
            label, tensor = next(iter(found.values()))
            raise WeightsError(f"surplus tensor {label} of shape {tensor.shape}")
        self.load_state_dict(state, strict=False)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write `config.json` and `model.safetensors`, parameters and buffers alike.

        Weight norm is written as `weight_g` and `weight_v`, which every release of `transformers`
        reads.
        """
        self.config.architectures = [type(self).__name__]
        self.config.dtype = str(self.dtype).removeprefix("torch.")
        self.config.save_pretrained(folder)
        tensors = {
            self.canonical_name(name): tensor.detach().cpu().contiguous()
            for name, tensor in self.state_dict().items()
        }
        save_file(tensors, Path(folder) / WEIGHTS_FILES[0], {"format": "pt"})

    def raw_tensors(self) -> dict[str, RawTensor]:
        """The state dict as a file's tensors: what `hopcodec.weights` folds and checks."""
        return {name: _raw(tensor) for name, tensor in self.state_dict().items()}


def _reader(path: Path) -> Callable[[bytes], dict[str, RawTensor]]:
    if path.suffix == ".safetensors":
        from hopcodec.weights.formats._safetensors import read_safetensors

        return lambda data: read_safetensors(data)[0]
    from hopcodec.weights.formats._torch import read_torch

    return lambda data: read_torch(data)[0]


def _read(label: str, tensor: RawTensor, like: Tensor) -> Tensor:
    shape = tuple(like.shape)
    if tensor.dtype not in READABLE:
        raise WeightsError(f"tensor {label}: expected {' or '.join(READABLE)}, got {tensor.dtype}")
    if tensor.shape != shape:  # before read(): a file may claim any shape
        raise WeightsError(f"tensor {label}: expected shape {shape}, got {tensor.shape}")
    array = tensor.read()
    check_tensor(label, array, shape)
    return torch.from_numpy(array)


def _raw(tensor: Tensor) -> RawTensor:
    kept = tensor.detach()
    dtype = str(kept.dtype).removeprefix("torch.")
    return RawTensor(dtype, tuple(kept.shape), lambda: kept.float().cpu().numpy())
