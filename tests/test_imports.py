"""Imports run one way, the command line starts fast, files stay short."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mner"
MODULES = sorted(PACKAGE.rglob("*.py"))
# A package may import those of lower rank, and itself. Packages of the same rank never import each other.
RANKS = {
    "text": 1, "vision": 1, "decoders": 1, "metrics": 1, "data": 1, "analysis": 1,
    "collate": 2, "captioning": 2,
    "fusion": 3, "pretraining": 3,
    "inference": 4,
    "testing": 5, "cli": 5,
    "__main__": 6, "__init__": 6,
}  # fmt: skip
GROUND = 0


def imported(path):
    """The parts of mner that a module imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name.split(".")[1] for name in names if name.startswith("mner."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    rank = RANKS.get(own, GROUND)
    for part in set(imported(path)) - {own}:
        assert RANKS.get(part, GROUND) < rank or RANKS.get(part, GROUND) == rank == GROUND, f"{own} imports {part}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_say_what_they_are(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(source)), "no first line that says the subject"


def test_help_imports_no_model_library():
    code = (
        "import sys; from mner.cli import main; main(['--help']);"
        "heavy = {'torch', 'pytorch_lightning', 'transformers', 'timm'} & set(sys.modules); sys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
