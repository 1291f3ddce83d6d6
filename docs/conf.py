"""Sphinx's configuration: MyST Markdown, the notebooks executed, the reference from docstrings, no warning allowed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT)]
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("PYTHONWARNINGS", "ignore:IProgress not found")

import reference  # noqa: E402
import sources  # noqa: E402

import odeopt  # noqa: E402

project = "odeopt"
copyright = "the odeopt developers, MIT licence"
version = release = odeopt.__version__

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build/notebooks")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
copybutton_prompt_text = ">>> "

nitpicky = True
smartquotes = False  # they would turn the primes of formulas into quotes
toc_object_entries_show_parents = "hide"
exclude_patterns = ["_build", "_ext", "conf.py"]

html_theme = "pydata_sphinx_theme"
html_title = "odeopt"
html_static_path = ["_static"]
html_css_files = ["odeopt.css"]
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("questions", "gallery", "zoo")}  # they have no pages below them
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "navigation_with_keys": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

reference.write(DOCS)
sources.copy(ROOT, DOCS)
os.environ["IPYTHONDIR"] = str(sources.quiet_kernels(DOCS / "_build/ipython"))
