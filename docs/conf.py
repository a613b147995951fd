"""How the documentation is built: Sphinx, MyST for the pages, the docstrings for the API."""

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # the extensions in this folder

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.inspect import signature, stringify_signature

import mner
from mner.components import Component

project = "mner"
author = "the mner authors"
copyright = author
version = release = mner.__version__

extensions = [
    "myst_nb",  # MyST, and the notebooks, which are executed
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "command_help",
    "mathml",
    "method_diagram",
    "package_reference",
    "structure_table",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"mner {release}"
html_static_path = ["_static"]
html_css_files = ["mner.css"]
html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp"

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]

nb_execution_mode = "force"
nb_execution_in_temp = True  # what notebooks write is removed
nb_execution_timeout = 900  # seconds per cell, on a busy machine
nb_execution_raise_on_error = True
nb_output_stderr = "remove"  # logs of trainings

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100

# Every reference to something of mner must lead somewhere; other packages' pages are not at hand.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!mner\b).*"),
    (
        "py:(class|obj)",
        r"mner\..*\.(BatchType|Data|Factory|Item|Model|Result|T|Value|_\w+)",
    ),  # type variables, private bases
]


def keep_deviations(app: Sphinx, document: nodes.document) -> None:
    """Keep a mean and its deviation on one line of a table's cell; the table scrolls if it is too wide."""
    for cell in document.findall(nodes.entry):
        for text in [text for text in cell.findall(nodes.Text) if " ± " in text]:
            text.parent.replace(text, nodes.Text(text.replace(" ± ", "\u00a0±\u00a0")))


def keep_options(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Let no line of a command end within an option, at one of its hyphens."""
    context["body"] = re.sub(
        r'<div class="highlight-(?:bash|text) .*?</pre>',
        lambda block: re.sub(r"(?<![\w-])--?[\w.-]+", r'<span class="option">\g<0></span>', block[0]),
        context.get("body", ""),
        flags=re.DOTALL,
    )


def constructor(app: Sphinx, what: str, name: str, documented: object, *_: object) -> tuple[str, str] | None:
    """Show the arguments of ``__init__``: autodoc prefers those of ``Component.__new__``, which takes any."""
    if not (isinstance(documented, type) and issubclass(documented, Component)):
        return None
    shown = signature(documented.__init__, bound_method=True)
    return stringify_signature(shown, show_return_annotation=False, unqualified_typehints=True), ""


def setup(app: Sphinx) -> None:
    """Register what this project adds."""
    app.connect("autodoc-process-signature", constructor)
    app.connect("doctree-read", keep_deviations)
    app.connect("html-page-context", keep_options)
