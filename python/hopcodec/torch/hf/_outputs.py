"""What a model gives back: one object that is a record, a dictionary and, by position, a tuple."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, fields
from typing import Any


@dataclass(eq=False)
class ModelOutput(OrderedDict[str, Any]):
    """Base of the results of the Hugging Face-like models.

    A field can be read as `output.audio_codes`, as `output["audio_codes"]` and as `output[0]`. As a
    dictionary and as a tuple it holds only the fields that are not None. Iterating gives names, as
    for any dictionary; `to_tuple()` gives values. Subclasses are dataclasses whose fields all have
    the default None.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from hopcodec.torch.hf._outputs import ModelOutput
    >>> @dataclass(eq=False)
    ... class Result(ModelOutput):
    ...     codes: object = None
    ...     audio: object = None
    >>> result = Result(audio="sound")
    >>> result.audio, result["audio"], result[0], result.to_tuple(), result.codes
    ('sound', 'sound', 'sound', ('sound',), None)
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) is not None:
                super().__setitem__(field.name, value)

    def __getitem__(self, key: str | int | slice) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self.to_tuple()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        super().__setattr__(key, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None and name in {field.name for field in fields(self)}:
            super().__setitem__(name, value)
        super().__setattr__(name, value)

    def to_tuple(self) -> tuple[Any, ...]:
        """The fields that are not None, in their order."""
        return tuple(self.values())
