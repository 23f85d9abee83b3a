"""Configuration of the documentation: `sphinx-build -W python/docs build/docs`."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

import hopcodec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

try:
    import torchaudio
except (ImportError, OSError):
    # transformers imports it beside its extractors, and its binary may not fit this torch.
    torchaudio = types.ModuleType("torchaudio")
    torchaudio.__spec__ = ModuleSpec("torchaudio", None)
    sys.modules["torchaudio"] = torchaudio

project = "hopcodec"
author = "the hopcodec authors"
copyright = "the hopcodec authors, MIT licence"
try:
    release = hopcodec.__version__
except ImportError:  # built from a source tree that was never installed
    release = "from source"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "numpydoc",
    # Ours, in _ext/: four write pages before Sphinx reads any, one adds a directive.
    "api_pages",
    "cli_page",
    "listen_page",
    "module_text",
    "training_page",
]

exclude_patterns = ["_ext"]
default_role = "code"  # docstrings write names as `name`
smartquotes = False  # "--model" is an option, not a dash
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = "hopcodec"
(HERE / "_generated").mkdir(exist_ok=True)  # the clips of the page with players
html_static_path = ["_static", "_generated"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#b83a06", "color-brand-content": "#b83a06"},
    "dark_css_variables": {"color-brand-primary": "#ff8a5c", "color-brand-content": "#ff8a5c"},
}
html_css_files = ["players.css"]
