"""How the documentation is built: `make docs`, with warnings as errors, into build/docs."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import ser_plugins  # noqa: E402

project = "ser_plugins"
release = version = ser_plugins.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
root_doc = "docs/index"
# The source is the whole repository, so that a link between two pages is the same here and where files are browsed.
include_patterns = ["*.md", "benchmarks/*.md", "docs/**", "ser_plugins/models/*/README.md"]
include_patterns += ["recipes/*.md", "recipes/*/*.md", "recipes/*/experiments/*.md"]
exclude_patterns = [
    ".*",
    "build",
    "data",
    "demo",
    "mutation",
    "results",
    "docs/_templates",
    "docs/results/EmoDB/tables",
]
templates_path = [str(ROOT / "docs" / "_templates")]  # whole: some of Sphinx looks in the source, some beside this

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.header",  # a generated report begins with the second level
    "ref.python",  # two rooms may each have a class of one name
]

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# scikit-learn writes these, with links into its own documentation.
autodoc_default_options = {"exclude-members": "set_fit_request, set_score_request"}
napoleon_google_docstring = False
