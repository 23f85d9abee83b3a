"""Write one reference page per public package, from its `__all__`.

A package is public if no part of its name begins with an underscore and it has an `__all__`. After
the build, each of those names must be in the inventory of the site, so none can be forgotten.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pages import write_page

import hopcodec

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# The command has a page of its own, made from its own help.
NOT_A_LIBRARY = {"hopcodec.cli"}


def public_packages() -> dict[str, list[str]]:
    """Return every public package and the names in its `__all__`, `hopcodec` first."""
    found = {"hopcodec": sorted(hopcodec.__all__)}
    for module in pkgutil.walk_packages(hopcodec.__path__, "hopcodec."):
        private = any(part.startswith("_") for part in module.name.split("."))
        if private or module.name in NOT_A_LIBRARY or module.name.startswith("hopcodec.cli."):
            continue
        names = getattr(importlib.import_module(module.name), "__all__", [])
        if names:
            found[module.name] = sorted(names)
    return found


def package_page(package: str, names: list[str], documented: dict[int, str]) -> str:
    """Return the page of a package; `documented` maps objects to the name they stand under."""
    module = importlib.import_module(package)
    # The title is not the summary: that stands in the docstring.
    lines = [package, "=" * len(package), "", f".. automodule:: {package}", ""]
    if "__version__" in names:  # no attribute where the package is not installed
        lines += [".. py:data:: __version__", "", "   The installed version.", ""]
    values = {name: getattr(module, name) for name in names if name != "__version__"}
    for name in sorted(values, key=lambda name: _rank(values[name], name)):
        lines += _entry(package, name, values[name], documented)
    return "\n".join(lines)


def _entry(package: str, name: str, value: Any, documented: dict[int, str]) -> list[str]:
    full = f"{package}.{name}"
    if isinstance(value, ModuleType):
        return [f"* :doc:`{value.__name__} <{value.__name__}>`", ""]
    described = inspect.isclass(value) or inspect.isroutine(value)
    if described and documented.setdefault(id(value), full) != full:
        return [f"* ``{name}``: see :py:obj:`{documented[id(value)]}`", ""]
    if inspect.isclass(value) and not value.__module__.startswith("hopcodec"):
        # Another package's class: its text follows that package's rules and stands on its pages.
        owner = value.__module__.split(".")[0]
        return [f".. py:class:: {name}", "", f"   `{owner}.{name}` itself.", ""]
    if inspect.isclass(value) and issubclass(value, BaseException):
        return [f".. autoexception:: {full}", "   :show-inheritance:", ""]
    if inspect.isclass(value):
        # Public members of private bases are the class's own; those of torch and others are not.
        foreign = [c.__name__ for c in value.__mro__ if c.__module__.split(".")[0] != "hopcodec"]
        inherited = f"   :inherited-members: {', '.join(foreign)}"
        return [f".. autoclass:: {full}", "   :members:", inherited, ""]
    if described:
        return [f".. autofunction:: {full}", ""]
    text = _text_of(module_source(package), name)
    if text:
        return [f".. py:data:: {name}", "", *(f"   {line}" for line in text.splitlines()), ""]
    return [f".. autodata:: {full}", ""]


def module_source(package: str) -> str:
    """Return the text of a package's own file."""
    return inspect.getsource(importlib.import_module(package))


def _text_of(source: str, name: str) -> str:
    """Return the string that stands below the assignment of a name, if there is one.

    autodoc finds it for most values, but takes an alias such as `NDArray[float32]` for numpy's own.
    """
    body = ast.parse(source).body
    for statement, below in pairwise(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if [getattr(target, "id", "") for target in targets] == [name]:
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    return inspect.cleandoc(text)
    return ""


def _rank(value: Any, name: str) -> tuple[int, str]:
    """Functions first, then classes, exceptions, values and modules; each by name."""
    if isinstance(value, ModuleType):
        return 4, name
    if inspect.isclass(value):
        return (2 if issubclass(value, BaseException) else 1), name
    return (0 if inspect.isroutine(value) else 3), name


def write_pages(folder: Path) -> None:
    """Write every package's page and their index; pages of packages that are gone are removed."""
    packages, documented = public_packages(), {}
    for package, names in packages.items():
        write_page(folder / f"{package}.rst", package_page(package, names, documented))
    title = "Python API"
    index = [title, "=" * len(title), "", ".. toctree::", ""]
    index += [f"   {package}" for package in packages]
    write_page(folder / "index.rst", "\n".join([*index, ""]))
    for page in folder.glob("*.rst"):
        if page.stem not in {"index", *packages}:
            page.unlink()


def undocumented(inventory: dict[str, Any]) -> list[str]:
    """Return the public names that are neither in the inventory nor documented elsewhere."""
    missing, documented = [], {}
    for package, names in public_packages().items():
        module = importlib.import_module(package)
        for name in names:
            full = target = f"{package}.{name}"
            if name != "__version__":
                value = getattr(module, name)
                if isinstance(value, ModuleType):
                    continue
                if inspect.isclass(value) or inspect.isroutine(value):
                    target = documented.setdefault(id(value), full)
            if target not in inventory:
                missing.append(full)
    return missing


def _write(app: Sphinx) -> None:
    write_pages(Path(app.srcdir) / "reference" / "api")


def _check(app: Sphinx, error: Exception | None) -> None:
    from sphinx.errors import ExtensionError

    if error is None:
        missing = undocumented(app.env.domains["py"].objects)
        if missing:
            raise ExtensionError(f"expected every public name on a page, missing: {missing}")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _write)
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True}
