"""Formulas as MathML, written when the documentation is built: browsers show them without a script or a network."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def inline_formula(translator: HTML5Translator, node: nodes.math) -> None:
    """Write a formula in a sentence."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def displayed_formula(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, which scrolls where it is wider than the page.

    Raises:
        ExtensionError: If latex2mathml leaves an ``&`` in the formula.
    """
    formula = convert(_lines(node.astext()), display="block")
    if "<mi>&</mi>" in formula:
        raise ExtensionError(f"latex2mathml does not align {node.astext()}")
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def _lines(formula: str) -> str:
    """Align a formula of several lines, as Sphinx's other renderers do.

    The empty group keeps a bracket at the start from being read as the argument of the environment.
    """
    if r"\\" not in formula or r"\begin" in formula:
        return formula
    environment = "split" if "&" in formula else "gathered"  # latex2mathml aligns nothing in aligned
    return rf"\begin{{{environment}}}{{}}{formula}\end{{{environment}}}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer, which ``html_math_renderer = "mathml"`` selects."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    return {"parallel_read_safe": True}
