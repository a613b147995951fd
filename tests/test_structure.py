"""The structure that docs/contributing/structure.md reports of mner, measured by the same script."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]  # of the checkout; what is imported may be installed
PACKAGE = ROOT / "mner"


@pytest.fixture(scope="module")
def structure():
    spec = importlib.util.spec_from_file_location("structure", ROOT / "benchmarks" / "structure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def measured(structure):
    return structure.measure(PACKAGE)


def test_no_cycle_and_no_private_api_of_lightning(measured):
    assert measured["modules on import cycles"] == measured["subpackages on import cycles"] == "0"
    assert measured["uses of private Lightning APIs"] == "0"


def test_what_counts(structure, tmp_path):
    package = tmp_path / "package"
    for name, text in {
        "__init__": "from package.a.one import One",
        "a/__init__": "",
        "a/one": "from package.b import two\nclass One:\n    def forward(self):\n        '''Shape ``(B, W)``.'''",
        "b/__init__": "",
        "b/two": "if TYPE_CHECKING:\n    import package.c\ndef late():\n    import package.a.one",
        "c": "from . import d\nfrom pytorch_lightning.loops import _Loop\ndef f(trainer):\n    trainer._x()",
        "d": "from .c import f\nclass D: ...\nclass E: ...\nclass _F: ...",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    row = structure.measure(package)
    assert row["modules on import cycles"] == "2"
    assert row["subpackages on import cycles"] == "4"
    assert row["files of classes with one public class"] == "50%"
    assert row["public classes per such file, maximum"] == "2"
    assert row["`forward` and `fuse` whose docstrings state shapes"] == "100% of 1"
    assert row["uses of private Lightning APIs"] == "2"


def test_training_from_the_command_line_is_short(measured):
    assert int(measured["lines of the file that trains from the command line"]) < 150


def test_the_page_has_a_row_for_everything_that_is_measured(measured):
    page = (ROOT / "docs" / "contributing" / "structure.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| ")][1:]
    assert rows == [[f"| {name}", "measured"] for name in measured]


def test_a_fusion_method_is_short(structure):
    example = ROOT / "examples" / "new_fusion" / "gated_sum.py"
    assert structure.code_lines(ast.parse(example.read_text(encoding="utf-8"))) <= 20


def test_code_lines(structure):
    text = "class A:\n    '''T.\n\n    U.\n    '''\n\n    x = 1  # why\n    # why\n    def f():\n        return 2"
    assert structure.code_lines(ast.parse(text)) == 4
