"""The rules of the house, checked: which way includes and imports point, and what stays out."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import hopcodec

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "python" / "hopcodec"
CPP = {".cpp", ".hpp", ".cu", ".cuh", ".h"}

# Each folder may include those before it, and itself.
LAYERS = ("base", "kernels", "layers", "graph", "realtime", "bindings")

# Each part of the package may import those before it, and itself. "hopcodec" is `__init__.py`.
PARTS = (
    *(
        "_core",
        "errors",
        "typing",
        "_checks",
        "_atomic",
        "_interpreter",
        "_float_mode",
        "_pieces",
        "_figures",
        "_show",
    ),
    *("specs", "weights", "codec", "ops", "audio", "files", "live", "torch", "evaluation"),
    *("training", "hopcodec", "cli", "__main__"),
)

# Modules that import each other in a circle, each with its reason.
# Files that may be longer than MAX_LINES, each with its reason.
MAX_LINES = 400
LONG_FILES = {
    "tests/cli/test_cli.py": "every command of one entry point, with the fixtures they share",
}


def sources(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix in suffixes and p.is_file())
    assert found, f"no sources in {folder}"
    yield from (p for p in found if "__pycache__" not in p.parts)


def includes(path: Path) -> list[str]:
    return re.findall(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]", path.read_text(), re.MULTILINE)


def test_includes_point_one_way() -> None:
    wrong = []
    for path in sources(CSRC, CPP):
        layer = path.relative_to(CSRC).parts[0]
        assert layer in LAYERS, f"{path}: csrc/{layer} has no place in the order {LAYERS}"
        for name in includes(path):
            if not (CSRC / name).exists():
                assert name.split("/")[0] not in LAYERS, f"{path} includes {name}: no such file"
                continue
            if LAYERS.index(name.split("/")[0]) > LAYERS.index(layer):
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_only_the_bindings_know_python() -> None:
    def knows_python(path: Path) -> bool:
        return any(name.startswith(("pybind11/", "Python.h")) for name in includes(path))

    knowing = {p.relative_to(CSRC).parts[0] for p in sources(CSRC, CPP) if knows_python(p)}
    assert knowing == {"bindings"}


def test_the_core_does_not_know_torch() -> None:
    assert not [p for p in sources(CSRC, CPP) if any("torch" in n for n in includes(p))]


def test_isa_files_include_almost_nothing() -> None:
    """A standard-library template compiled with -mavx512f could be linked in for every CPU."""
    allowed = {"cstddef", "immintrin.h", "arm_neon.h"}
    queue = list((CSRC / "kernels").glob("isa_*.cpp"))
    assert queue
    seen: set[Path] = set()
    while queue:
        path = queue.pop()
        seen.add(path)
        for name in includes(path):
            if (CSRC / name).exists():
                queue += [CSRC / name] if CSRC / name not in seen else []
            else:
                assert name in allowed, f"{path.relative_to(ROOT)} includes <{name}>"


def isa_flags() -> dict[str, list[str]]:
    """Compile options of each isa_*.cpp, as CMakeLists.txt states them."""
    text = (ROOT / "CMakeLists.txt").read_text()
    shared = re.search(r"set\(isa_options ([^)]*)\)", text)
    assert shared
    pattern = (
        r"set_source_files_properties\(\s*csrc/kernels/isa_(\w+)\.cpp\s+PROPERTIES\s+"
        r"COMPILE_OPTIONS\s+\"([^\"]*)\"\s*\)"
    )
    found = dict(re.findall(pattern, text))
    assert set(found) == {p.stem.removeprefix("isa_") for p in (CSRC / "kernels").glob("isa_*.cpp")}
    options = {isa: o.replace("${isa_options}", shared[1]) for isa, o in found.items()}
    return {isa: re.split(r"[;\s]+", o) for isa, o in options.items()}


def isas_of_this_machine() -> list[str]:
    arm = platform.machine().lower() in ("aarch64", "arm64")
    return ["generic", "neon"] if arm else ["generic", "avx2", "avx512"]


@pytest.mark.slow
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("isa", isas_of_this_machine())
def test_isa_objects_export_one_table(isa: str, level: str, tmp_path: Path) -> None:
    """No weak symbol, at any optimisation: the linker could pick it for a CPU without `isa`."""
    compiler, nm = shutil.which(os.environ.get("CXX", "g++")), shutil.which("nm")
    if compiler is None or nm is None:
        pytest.fail("expected a C++ compiler ($CXX or g++) and nm, as to build the project")
    flags = [f for f in isa_flags()[isa] if not f.startswith("-O")]
    target = tmp_path / "isa.o"
    source = CSRC / "kernels" / f"isa_{isa}.cpp"
    command = [compiler, "-std=c++20", "-fPIC", "-ffp-contract=off", *flags, level]
    subprocess.run([*command, f"-I{CSRC}", "-c", source, "-o", target], check=True)
    listing = subprocess.run(
        [nm, "-C", "--defined-only", target], check=True, capture_output=True, text=True
    ).stdout
    symbols = [line.split(maxsplit=2)[1:] for line in listing.splitlines()]
    assert symbols
    external = [(kind, name) for kind, name in symbols if kind.isupper() or kind in "uvw"]
    assert [name for _, name in external] == [f"hopcodec::kernels::{isa}::kTable"]
    assert external[0][0] in ("D", "R")


def imports(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Absolute imports of a module: (top-level package, whether importing the module runs it)."""

    def walk(node: ast.AST, runs: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], runs) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0], runs
        children = ast.iter_child_nodes(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = iter(node.orelse)
        inside = runs and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from walk(child, inside)

    yield from walk(tree, True)


def test_imports_are_seen() -> None:
    """The reader of imports, on one of each kind."""
    code = """
import a.b
from c import d
from . import e
if TYPE_CHECKING:
    import f
else:
    import g
try:
    import h
except ImportError:
    pass
class K:
    import i
    def method(self):
        import j
"""
    found = set(imports(ast.parse(code)))
    assert found == {(name, True) for name in "acghi"} | {("j", False)}


def modules() -> dict[str, Path]:
    """Every module of the package by its full name; the compiled one counts as one."""
    found = {"hopcodec._core": PACKAGE / "_core" / "__init__.pyi"}
    for path in sources(PACKAGE, {".py"}):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, known: Collection[str]) -> set[str]:
    """Modules among `known` that code imports anywhere: on top, lazily, for type checking alone."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "expected absolute imports"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else str(node.module))
    return found & set(known)


def graph() -> dict[str, set[str]]:
    found = modules()
    return {
        name: imported(ast.parse(path.read_text()), found) - {name}
        for name, path in found.items()
        if path.suffix == ".py"  # a stub names its own submodules only
    }


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "hopcodec"


def circles(edges: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Return the modules on circles of imports, as one tuple; nothing if there is no circle.

    Take away every module that imports none of the rest, or that none of the rest imports, until
    there is none such.
    """
    rest = {name: set(targets) for name, targets in edges.items()}
    while True:
        used = set().union(*rest.values()) if rest else set()
        ends = {name for name, targets in rest.items() if not targets or name not in used}
        if not ends:
            break
        rest = {name: targets - ends for name, targets in rest.items() if name not in ends}
    return [tuple(sorted(rest))] if rest else []


def test_the_graph_of_imports_is_read() -> None:
    known = {"hopcodec", "hopcodec.a", "hopcodec.a.b", "hopcodec.c", "hopcodec.d", "hopcodec.e"}
    code = """
from hopcodec.a import b, name
if TYPE_CHECKING:
    from hopcodec import c
def lazily():
    import hopcodec.d
    from hopcodec import load
"""
    found = imported(ast.parse(code), known)
    assert found == {"hopcodec", "hopcodec.a", "hopcodec.a.b", "hopcodec.c", "hopcodec.d"}
    ring = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}
    assert circles(ring) == [("a", "b", "c")]
    assert circles({**ring, "c": {"d"}}) == []
    assert [part(name) for name in ("hopcodec", "hopcodec.cli", "hopcodec.cli._app")] == [
        "hopcodec",
        "cli",
        "cli",
    ]


def test_imports_point_one_way() -> None:
    assert {part(name) for name in modules()} == set(PARTS), "a part has no place in the order"
    wrong = [
        f"{name} imports {target}"
        for name, targets in graph().items()
        for target in sorted(targets)
        if name != "hopcodec" and PARTS.index(part(target)) > PARTS.index(part(name))
    ]
    assert not wrong


def test_no_modules_import_each_other() -> None:
    edges = graph()
    assert not circles(edges)


def test_torch_has_one_door() -> None:
    at_import, lazily = set(), set()
    for path in sources(PACKAGE, {".py"}):
        name = path.relative_to(PACKAGE).as_posix()
        for package, runs in imports(ast.parse(path.read_text())):
            if package == "torch" and not name.startswith(("torch/", "training/")):
                (at_import if runs else lazily).add(name)
    assert not at_import
    assert lazily <= {"weights/formats/_torch.py", "cli/_train.py"}


def test_the_package_imports_what_it_declares() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = text.split("[project.scripts]")[0]
    declared = {n.replace("-", "_") for n in re.findall(r"\"([A-Za-z0-9_-]+)[><=]", project)}
    known = declared | set(sys.stdlib_module_names) | {"hopcodec"}
    unknown = {
        f"{path.relative_to(ROOT)} imports {package}"
        for path in sources(PACKAGE, {".py"})
        for package, _ in imports(ast.parse(path.read_text()))
        if package not in known
    }
    assert not unknown


def test_import_is_light() -> None:
    heavy = ["torch", "matplotlib", "soundfile", "soxr", "huggingface_hub", "typer", "rich"]
    code = f"import sys, hopcodec; print(*[m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == []
    # The same question with a yes: the list can name what is loaded.
    code = f"import sys, soundfile; print(*[m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.split() == ["soundfile"]


def test_one_version() -> None:
    stated = re.search(r"^version = \"(.+)\"$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert stated
    assert stated[1] == hopcodec.__version__


def test_files_fit_the_house() -> None:
    suffixes = {".py", ".pyi", *CPP}
    folders = [CSRC, ROOT / "python", ROOT / "tests", ROOT / "benchmarks"]
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for folder in folders
        for path in sources(folder, suffixes)
    }
    long = {name for name, lines in lengths.items() if lines > MAX_LINES}
    assert long - set(LONG_FILES) == set(), f"longer than {MAX_LINES} lines without a reason"
    assert set(LONG_FILES) - long == set(), "no longer exceptions: take them off the list"


def test_references_stay_short() -> None:
    """A specification is read at a glance: at most 20 lines of it, blank ones aside."""
    for path in sources(ROOT / "tests" / "support" / "reference", {".py"}):
        assert len([line for line in path.read_text().splitlines() if line.strip()]) <= 20, path
