"""Structure of packages: file lengths, public classes, import cycles, documented shapes, private Lightning APIs.

python benchmarks/structure.py mner DIR/torchgeo DIR/chemprop DIR/anomalib   (folders of unzipped wheels)

It reads the files as syntax trees and executes nothing. A module is on an import cycle if loading it imports it again
through others; for subpackages all imports count, those in functions included. Imports under ``TYPE_CHECKING`` do not.
A docstring states shapes if it contains the word "shape" or something like ``(B, W, D)`` or ``[N x M]``.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

SHAPE = re.compile(r"\bshapes?\b|[(\[]\s*[A-Za-z]\w*\s*(?:,|x|×)\s*[\w ]+")
LIGHTNING = ("pytorch_lightning", "lightning", "lightning_fabric", "lightning_utilities")
OBJECTS = ("trainer", "strategy", "fit_loop", "epoch_loop", "_fabric")
TRAINING = {
    "mner": "cli/training.py",
    "torchgeo": "main.py",
    "chemprop": "cli/train.py",
    "anomalib": "cli/cli.py",
}
"""The file of a package that trains from the command line."""


def trees(package: Path) -> dict[str, ast.Module]:
    """Parse the syntax trees of a package's modules, by dotted name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def loaded(node: ast.AST, anywhere: bool = False) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when a module is loaded, or those ``anywhere`` in it; none under ``TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (each for part in child.orelse for each in loaded(part, anywhere))
        elif anywhere or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from loaded(child, anywhere)


def imported(module: str, tree: ast.Module, modules: set[str], is_package: bool, anywhere: bool = False) -> set[str]:
    """Return the modules of its package that a module imports, without its parents, which are loaded before it."""
    found: set[str] = set()
    for node in loaded(tree, anywhere):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        above = module.split(".")
        above = above[: len(above) - node.level + is_package] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        inside = {f"{source}.{alias.name}" for alias in node.names}
        found |= {name if name in modules else source for name in inside}
    return {name for name in found & modules if not f"{module}.".startswith(f"{name}.")}


def subpackages(modules: dict[str, ast.Module], packages: set[str]) -> dict[str, set[str]]:
    """Return the imports among a package's subpackages, anywhere in a file except under ``TYPE_CHECKING``."""
    graph: dict[str, set[str]] = {}
    for name, tree in modules.items():
        if name.count("."):
            own = name.split(".")[1]
            others = imported(name, tree, {*modules}, name in packages, anywhere=True)
            graph.setdefault(own, set()).update({other.split(".")[1] for other in others if other.count(".")} - {own})
    return graph


def on_cycles(graph: dict[str, set[str]]) -> list[str]:
    """Return the nodes of a graph that can be reached from themselves."""
    found = []
    for start in graph:
        seen: set[str] = set()
        ahead = [*graph[start]]
        while ahead:
            node = ahead.pop()
            if node not in seen:
                seen.add(node)
                ahead += graph[node]
        found += [start] * (start in seen)
    return found


def code_lines(tree: ast.AST) -> int:
    """Return the lines of a file's classes, without docstrings, comments and blank lines."""
    nodes = [node for part in ast.walk(tree) if isinstance(part, ast.ClassDef) for node in ast.walk(part)]
    texts = [node for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    docstrings = {line for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return len({node.lineno for node in nodes if hasattr(node, "lineno")} - docstrings)


def private_lightning(tree: ast.Module) -> list[str]:
    """Return underscore names that are imported from Lightning or read from its trainer, loops and strategies."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LIGHTNING:
            path = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found += [ast.unparse(node)] * any(re.match(r"_(?!_)", part) for part in path)
        elif isinstance(node, ast.Attribute) and re.match(r"_(?!_)", node.attr):
            owner = ast.unparse(node.value).split(".")[-1]
            found += [ast.unparse(node)] * (owner in OBJECTS)
    return found


def measure(package: Path) -> dict[str, str]:
    """Compute one column of the table."""
    modules = trees(package)
    files = list(package.rglob("*.py"))
    lines = [*map(_lines, files)]
    packages = {".".join(file.relative_to(package.parent).parts[:-1]) for file in files if file.name == "__init__.py"}
    public = [
        sum(isinstance(node, ast.ClassDef) and not node.name.startswith("_") for node in tree.body)
        for tree in modules.values()
    ]
    public = [count for count in public if count]
    graph = {name: imported(name, tree, {*modules}, name in packages) for name, tree in modules.items()}
    functions = [
        node
        for tree in modules.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("forward", "fuse")
    ]
    training = package / TRAINING.get(package.name, "-")
    shaped = sum(bool(SHAPE.search(ast.get_docstring(node) or "")) for node in functions)
    return {
        "files": str(len(files)),
        "lines per file, median (maximum)": f"{statistics.median(lines):.0f} ({max(lines):,})",
        "files of classes with one public class": f"{public.count(1) / len(public):.0%}",
        "public classes per such file, maximum": str(max(public)),
        "modules on import cycles": str(len(on_cycles(graph))),
        "subpackages on import cycles": str(len(on_cycles(subpackages(modules, packages)))),
        "`forward` and `fuse` whose docstrings state shapes": f"{shaped / len(functions):.0%} of {len(functions)}",
        "uses of private Lightning APIs": str(sum(len(private_lightning(tree)) for tree in modules.values())),
        **(
            {"lines of the file that trains from the command line": f"{_lines(training):,}"}
            if training.is_file()
            else {}
        ),
    }


def _lines(file: Path) -> int:
    return file.read_text(encoding="utf-8").count("\n")


def main() -> None:
    """Print the table as Markdown."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("packages", type=Path, nargs="+", help="folders of packages")
    packages = [package.resolve() for package in options.parse_args().packages]
    columns = [measure(package) for package in packages]
    print(f"| | {' | '.join(package.name for package in packages)} |\n|---|{'---|' * len(packages)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


if __name__ == "__main__":
    main()
