"""What the documentation shows, runs; what it lists, exists; what exists, it lists."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from live_servers import jack_server
from without_torchaudio import without_torchaudio

import hopcodec
from hopcodec import _core

with without_torchaudio():  # which the extractors of transformers import
    import hopcodec.torch.hf._features

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "python" / "docs"
README = (ROOT / "README.md").read_text()
GUIDES = sorted(path for kind in ("tutorials", "howto") for path in (DOCS / kind).glob("*.md"))
PROSE = [ROOT / n for n in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(hopcodec.__path__, "hopcodec.")
    if not module.name.endswith("__main__")
)
Names = dict[str, Any]


def test_examples_in_docstrings() -> None:
    attempted = 0
    for name in ["hopcodec", *MODULES]:
        result = doctest.testmod(importlib.import_module(name))
        assert result.failed == 0, name
        attempted += result.attempted
    assert attempted >= 10


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code that are marked as being in a language, or in none."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [code for mark, code in found if mark == language]


def snippets(text: str) -> list[str]:
    return blocks(text, "python")


def run_page(text: str, name: str) -> Names:
    """Run a page's Python, block after block, as a reader would type it in."""
    names: Names = {"__name__": name}
    for number, code in enumerate(snippets(text), 1):
        exec(compile(code, f"{name}, block {number}", "exec"), names)
    return names


def test_the_quick_start_of_the_readme(
    speech: npt.NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hopcodec.write_audio("demo.wav", speech, 24000)  # what `hopcodec demo` leaves behind
    names = run_page(README, "README.md")  # ends with a comparison of its own
    assert names["codes"].shape[0] == 8
    assert len(names["heard"]) > 3
    written, info = hopcodec.read_audio("decoded.wav", 24000, 1)
    assert info.sample_rate == 24000
    np.testing.assert_allclose(written, np.clip(names["decoded"], -0.99, 0.99), atol=1e-4)


def check_drop_in(names: Names) -> None:
    assert names["codes"].shape == (2, names["config"].n_codebooks, 16)
    assert names["heard"].shape[0] == 2


def check_kernels(names: Names) -> None:
    assert names["codes"].shape == (2, 10)
    assert names["state"].shape == (4, 2)
    assert names["x"].grad.shape == (1, 4, 10)


def check_loopback(names: Names) -> None:
    assert names["stats"].latency.total > 0
    assert names["stats"].compute.p99_ms > 0
    assert names["stats"].bandwidth == 1.5


def check_latency(names: Names) -> None:
    assert names["codec"].latency_samples == 400  # "one hop and 80 samples"
    assert names["stats"].hops > 0


def check_first_codec(names: Names) -> None:
    assert names["codes"].shape == (8, 792)  # as the page says
    assert names["first"].shape == (8, 3)


# What must hold after a page has run, beside its own comparisons.
CHECKS: dict[str, Callable[[Names], None]] = {
    "first-codec.md": check_first_codec,
    "loopback.md": check_loopback,
    "measure-latency.md": check_latency,
    "replace-transformers.md": check_drop_in,
    "torch-operators.md": check_kernels,
}
# Pages that need a sound server, and pages that need a GPU.
LIVE, GPU = {"loopback.md"}, {"gpu.md"}


def pages(wanted: Callable[[str], bool]) -> list[Path]:
    return [path for path in GUIDES if snippets(path.read_text()) and wanted(path.name)]


def run_guide(path: Path) -> None:
    with without_torchaudio():  # which transformers imports beside its processors
        names = run_page(path.read_text(), path.name)
    CHECKS.get(path.name, lambda names: None)(names)


@pytest.mark.parametrize("path", pages(lambda n: n not in LIVE | GPU), ids=lambda path: path.stem)
def test_guides(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_guide(path)


@pytest.mark.slow
@pytest.mark.live
@pytest.mark.parametrize("path", pages(lambda name: name in LIVE), ids=lambda path: path.stem)
def test_live_guides(path: Path) -> None:
    with jack_server():
        run_guide(path)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("path", pages(lambda name: name in GPU), ids=lambda path: path.stem)
def test_guides_on_a_gpu(path: Path) -> None:
    run_guide(path)


def test_every_check_has_its_page() -> None:
    names = {path.name for path in pages(lambda name: True)}
    assert names >= set(CHECKS) | LIVE | GPU


def test_the_list_of_kernels() -> None:
    text = (DOCS / "howto" / "torch-operators.md").read_text()
    sentence = text[text.index("There are `") :].split(".\n")[0].split(". They")[0]
    assert sorted(re.findall(r"`(\w+)`", sentence)) == sorted(hopcodec.ops.__all__)


def commands() -> dict[str, Any]:
    from typer.main import get_command

    from hopcodec.cli._app import app

    return dict(get_command(app).commands)  # type: ignore[attr-defined]


def shown_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Command lines in blocks of code: the command, and the options given to it."""
    for block in blocks(text, ""):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split("#")[0].split("&&"):
                words = part.split()
                if words[:1] == ["hopcodec"] and len(words) > 1 and words[1] != "COMMAND":
                    yield words[1], [w for w in words[2:] if re.fullmatch(r"--?[a-z-]+", w)]


def test_the_readme_shows_every_command() -> None:
    assert {name for name, _ in shown_commands(README)} == set(commands())


@pytest.mark.parametrize("path", [ROOT / "README.md", *GUIDES], ids=lambda path: path.stem)
def test_every_command_and_option_shown_exists(path: Path) -> None:
    known = commands()
    for name, options in shown_commands(path.read_text()):
        assert name in known, name
        spelled = {s for p in known[name].params for s in (*p.opts, *p.secondary_opts)}
        assert set(options) <= spelled, (name, options)


def test_the_sizes_that_readers_were_promised() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in PROSE}
    assert lengths["README.md"] <= 150
    assert lengths["ARCHITECTURE.md"] <= 80
    for path in PROSE:
        assert not [line for line in path.read_text().splitlines() if len(line) > 100], path.name


# Pages that the site's build writes.
GENERATED = {"listen.md", "command-line.md", "training-configuration.md"}


def markdown() -> list[Path]:
    return [*PROSE, *(path for path in sorted(DOCS.rglob("*.md")) if path.name not in GENERATED)]


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("path", markdown(), ids=page_name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    for target in targets:
        if not target.startswith("http") and Path(target).name not in GENERATED | {"index.rst"}:
            assert (path.parent / target).exists(), target


@cache
def tree() -> list[Path]:
    parts = ("csrc", "python", "tests", "benchmarks", ".ci")
    found = [p.relative_to(ROOT) for part in parts for p in (ROOT / part).rglob("*")]
    return [*map(Path, parts), *found]


@pytest.mark.parametrize("path", [*markdown(), ROOT / "benchmarks/README.md"], ids=page_name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    of_readers = ("config.json", "my/", "speech")
    suffixes = r"\.(?:py|pyi|cpp|hpp|cu|cuh|sh|md|json)"
    names = re.findall(rf"`([\w./*-]+(?:{suffixes}|/))`", path.read_text())
    for name in names:
        if not name.startswith(of_readers):
            assert any(found.match(name.rstrip("/")) for found in tree()), name


def test_the_figures_of_the_readme_are_those_measured() -> None:
    peers = json.loads((ROOT / "benchmarks" / "results" / "hop.json").read_text())["peers"]
    rows = re.findall(r"^\|(.*?)\| ([\d.]+) ms \| ([\d.]+) ms \| ([\d.]+) ms \|", README, re.M)
    assert len(rows) == 4
    order = ("hopcodec-bf16", "hopcodec", "openvino-bf16", "openvino-fp32")
    for (label, *figures), name in zip(rows, order, strict=True):
        paced = peers[name]["paced"]
        assert [float(f) for f in figures] == [
            round(paced["p50_ms"], 2),
            round(paced["p99_ms"], 2),
            round(paced["max_ms"], 1),
        ], label


def test_every_environment_variable_is_listed() -> None:
    page = (DOCS / "reference" / "environment.md").read_text()
    asked = set()
    for folder in (ROOT / "python" / "hopcodec", ROOT / "tests", ROOT / "csrc"):
        for path in folder.rglob("*"):
            if path.suffix in {".py", ".cpp", ".hpp", ".sh"}:
                pattern = r"(?:environ\.get\(|environ\[|getenv\()\"(HOPCODEC_\w+)\""
                asked |= set(re.findall(pattern, path.read_text()))
    assert len(asked) >= 4
    assert {name for name in asked if f"`{name}`" not in page} == set()


@pytest.fixture
def generators(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules that write pages, importable."""
    monkeypatch.syspath_prepend(DOCS / "_ext")


@pytest.mark.usefixtures("generators")
def test_every_public_name_has_a_place_in_the_reference(tmp_path: Path) -> None:
    import api_pages

    packages = api_pages.public_packages()
    expected = {"audio", "evaluation", "files", "live", "ops", "torch.nn", "torch.hf"}
    assert {"hopcodec", *(f"hopcodec.{name}" for name in expected)} <= set(packages)
    assert not [name for name in packages if "._" in name]
    api_pages.write_pages(tmp_path)
    index = (tmp_path / "index.rst").read_text()
    for package, names in packages.items():
        assert f"   {package}\n" in index
        page = (tmp_path / f"{package}.rst").read_text()
        for name in names:
            assert re.search(rf"(\.|::\s|``|<){re.escape(name)}(\n|``|>)", page), (package, name)


@pytest.mark.usefixtures("generators")
def test_every_command_and_option_has_a_place_in_the_reference() -> None:
    import cli_page

    page = cli_page.command_line_page()
    for name, command in commands().items():
        section = page[page.index(f"## {name}\n") :].split("\n## ")[0]
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert all(spelling in section for spelling in parameter.opts), (name, parameter)
            else:
                assert parameter.metavar in section, (name, parameter)


@pytest.mark.usefixtures("generators")
def test_every_setting_of_a_training_run_has_a_place_in_the_reference() -> None:
    import training_page

    from hopcodec.training import Config

    page = training_page.configuration_page()
    settings = 0
    for table in dataclasses.fields(Config):
        if dataclasses.is_dataclass(table.default_factory) or table.name == "data":
            section = page[page.index(f"## {table.name}\n") :].split("\n## ")[0]
            kind = typing.get_type_hints(Config)[table.name]
            for field in dataclasses.fields(kind):
                assert f"| `{field.name}` |" in section, (table.name, field.name)
                settings += 1
        else:
            assert f"| `{table.name}` |" in page
    assert settings > 50


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """The whole site, warnings as errors; a public name that is on no page is one."""
    missing = [m for m in ("sphinx", "furo", "myst_parser", "numpydoc", "av") if not find_spec(m)]
    if missing:
        pytest.skip(f"SITE NOT BUILT: no {', '.join(missing)} here (pip install --group docs)")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    listen = (tmp_path / "listen.html").read_text()
    clips = re.findall(r"<audio controls[^>]* src=\"([^\"]+)\"", listen)
    codec = hopcodec.load()
    assert len(clips) == 2 * (1 + len(codec.bandwidths) + 3)  # and Opus at three bitrates
    assert all((tmp_path / clip).stat().st_size > 10_000 for clip in clips)
    assert _core.__name__ not in (tmp_path / "reference" / "api" / "index.html").read_text()
