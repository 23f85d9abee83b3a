"""TOML to `Config` and back, strictly: an unknown key or a wrong type is an error with its name."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from hopcodec.errors import ConfigError
from hopcodec.training._config import Config

T = TypeVar("T")

SHIPPED = Path(__file__).parent / "configs"


def _toml() -> ModuleType:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    import tomli

    return tomli


def load_config(source: str, changes: Iterable[str] = ()) -> Config:
    """The configuration in a TOML file, with `changes` made to it.

    Parameters
    ----------
    source
        A path, or the name of a shipped configuration.
    changes
        `table.key=value`, the value in TOML's notation; what is not is taken as a string.

    Raises
    ------
    ConfigError
        No such file, not TOML, an unknown key, a wrong type, an impossible value.
    """
    path = _find(source)
    try:
        table: dict[str, Any] = _toml().loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, _toml().TOMLDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML: {error}") from None
    for change in changes:
        _apply(table, change)
    try:
        return from_table(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def shipped_names() -> list[str]:
    """Names of the configurations that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _find(source: str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    if source in shipped_names():
        return SHIPPED / f"{source}.toml"
    known = ", ".join(shipped_names())
    raise ConfigError(f"{source}: expected a TOML file, or one of {known}; there is no such file")


def _apply(table: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"{change}: expected table.key=value")
    try:
        value = _toml().loads(f"value = {text}")["value"]
    except _toml().TOMLDecodeError:
        value = text.strip()
    *tables, last = key.strip().split(".")
    for name in tables:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{key}: {name} is not a table")
        table = inner
    table[last] = value


def from_table(table: Mapping[str, Any]) -> Config:
    """A configuration from nested tables, as TOML and checkpoints hold them."""
    return _build(Config, table, "")


def to_table(config: Config) -> dict[str, Any]:
    """Nested tables of plain values: what `from_table` reads."""
    return _plain(dataclasses.asdict(config))  # type: ignore[no-any-return]


def to_toml(config: Config) -> str:
    """The whole configuration, defaults included, as TOML."""
    table = to_table(config)
    lines = [f"{k} = {_literal(v)}" for k, v in table.items() if not isinstance(v, dict)]
    for name, inner in table.items():
        if isinstance(inner, dict):
            lines += ["", f"[{name}]", *(f"{k} = {_literal(v)}" for k, v in inner.items())]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    # A JSON string, number or boolean is one of TOML as well.
    return json.dumps(value, ensure_ascii=False)


def _build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    hints = get_type_hints(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - hints.keys()):
        raise ConfigError(f"{where}{unknown[0]}: unknown key; expected one of {', '.join(hints)}")
    values = {}
    for item in fields:
        key = f"{where}{item.name}"
        if item.name in table:
            values[item.name] = _value(hints[item.name], table[item.name], key)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            kind = "a table" if dataclasses.is_dataclass(hints[item.name]) else "a value"
            raise ConfigError(f"{key}: expected {kind}, got none")
    return cls(**values)


def _value(kind: Any, value: Any, key: str) -> Any:
    """`value` as `kind`; the only conversions are list to tuple and int to float."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}: expected a table, got {value!r}")
        return _build(kind, value, f"{key}.")  # type: ignore[arg-type]
    if origin is Literal:
        if value not in get_args(kind):
            names = ", ".join(repr(name) for name in get_args(kind))
            raise ConfigError(f"{key}: expected one of {names}, got {value!r}")
        return value
    if origin is tuple:
        return _items(get_args(kind), value, key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        raise ConfigError(f"{key}: expected {words[kind]}, got {value!r}")
    return value


def _items(kinds: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{key}: expected a list, got {value!r}")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ConfigError(f"{key}: expected {len(kinds)} items, got {value!r}")
    return tuple(
        _value(kind, item, f"{key}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )
