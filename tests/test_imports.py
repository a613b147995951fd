"""The rooms of the house: imports run one way, files stay short, and ``import mner`` is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mner

PACKAGE = Path(mner.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import its own modules and those of the floors below its own, never its neighbours.
GROUND = [
    "posts",
    "labels",
    "errors",
    "components",
    "checkpoints",
    "batch",
    "post_json",
    "predictions",
    "subsets",
    "extras",
    "file_names",
    "git_lfs",
    "download",
    "remote_images",
    "plugins",
    "weights",
    "images",
    "unicode",
    "files",
    "output_paths",
    "bounded_report",
    "devices",
    "recurrent",
    "lstm_operator",
    "terminal",
    "shipped_configs",
    "trust",
    "search_path",
    "checkpoint_file",
    "allocation",
    "argument_types",
    "checksum",
    "span_alignment",
    "paths",
    "boxes",
    "entity_bounds",
    "templates",
    "grounding_counts",
    "notebook",
    "markdown",
    "model_names",
    "ray_cluster",
]
FLOORS = [
    GROUND,
    ["word_tokenizers"],
    ["vision", "decoders", "metrics", "analysis"],
    ["display"],
    ["text", "grounding"],  # above the regions that some encoders, and pointers, read
    ["preprocessor"],
    ["data"],
    ["callbacks"],
    ["sharing"],
    ["contexts", "demo"],
    ["training", "prompting"],
    ["fusion", "pretraining"],
    ["exporting"],
    ["inference", "experiments"],
    ["serving"],
    ["testing"],
    ["cli"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ENTRANCES = {"__init__.py", "__main__.py"}
HEAVY = {"timm", "transformers", "torchvision", "scipy", "statsmodels", "peft", "ray"}


def room_of(file):
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file):
    """The rooms that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names = [f"mner.{alias.name}" for alias in node.names] if node.module == "mner" else [node.module]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("mner.") and "__" not in name)


def test_imports_run_one_way():
    for file in FILES:
        if file.parent == PACKAGE and file.name in ENTRANCES:
            continue
        room = room_of(file)
        assert room in FLOOR, f"{room} has no floor yet: add it to FLOORS and to the architecture"
        for imported in set(imports(file)) - {room}:
            lower = FLOOR[imported] < FLOOR[room] or (FLOOR[room] == FLOOR[imported] == 0)
            assert lower, f"{file}: mner.{room} must not import mner.{imported}"


def test_the_ground_floor_has_no_cycle():
    needs = {room: set(imports(PACKAGE / f"{room}.py")) for room in GROUND}
    while needs:
        free = [room for room, others in needs.items() if not others & needs.keys()]
        assert free, f"a cycle among {sorted(needs)}"
        for room in free:
            del needs[room]


def test_a_file_is_short_and_says_its_subject_first():
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, file
        assert ast.get_docstring(ast.parse(text)), f"no docstring in the first line of {file}"
        assert text.startswith(('"""', 'r"""')), file


def test_a_heavy_package_is_imported_where_it_is_used():
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
                assert not {name.split(".")[0] for name in names} & HEAVY, f"{file}, line {node.lineno}"


def test_there_is_no_drawer_for_everything():
    assert not [file for file in FILES if file.stem in ("utils", "util", "helpers", "misc", "common")]


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import mner", "torch transformers pytorch_lightning timm torchvision numpy PIL"),
        (
            "import mner.posts, mner.labels, mner.errors, mner.word_tokenizers",
            "torch transformers pytorch_lightning numpy",
        ),
        ("import mner.cli.show", "torch transformers pytorch_lightning timm torchvision pandas"),
        pytest.param(
            "import mner.data, mner.demo, mner.text, mner.vision, mner.fusion, mner.cli.training",
            "timm",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_imports_are_light(statement, heavy):
    code = f"{statement}; import sys; print(sorted(set({heavy!r}.split()) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout == "[]\n"


def test_the_public_names_are_there():
    assert all(getattr(mner, name) for name in mner.__all__)
    with pytest.raises(AttributeError, match="module 'mner' has no attribute 'nothing'"):
        _ = mner.nothing
