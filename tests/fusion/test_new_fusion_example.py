"""The example of a fusion outside the package: it keeps the contract, trains by its path and by its bare name, tags."""

import json
import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import torch

import mner
from mner.cli import main
from mner.data.writers import write_json_lines
from mner.demo import DemoPosts
from mner.plugins import load_plugins
from mner.testing import FusionContract

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_fusion"
sys.path.append(str(EXAMPLE))
from gated_sum import GatedSum  # noqa: E402


class TestGatedSum(FusionContract):
    fusion = GatedSum


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A copy of the example as working directory, not yet imported."""
    copy_example(tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(EXAMPLE)])
    monkeypatch.delitem(sys.modules, "gated_sum")
    return tmp_path / "example"


@pytest.fixture
def fit(tiny_text_encoder_folder):
    """A function that trains for an epoch on tiny encoders, with further options."""

    def run(*options):
        small = {
            "text_encoder.init_args.name": str(tiny_text_encoder_folder),
            "image_encoder": json.dumps({"class_path": "mner.testing.TinyGrid", "init_args": {"frozen": True}}),
        }
        words = [word for name, value in small.items() for word in (f"--model.init_args.{name}", value)]
        words += ["--data.init_args.size", "16", "--trainer.max_epochs", "1", "--trainer.enable_progress_bar", "false"]
        return main(["fit", "--config", "gated_sum.yaml", *words, "--run_folder", "run", *options])

    return run


def test_it_trains_by_its_path_is_saved_loaded_and_tags(example, fit):
    assert fit() == 0
    model = mner.load_model("run/best.ckpt")
    assert type(model).__module__ == "gated_sum"
    posts = DemoPosts(size=16, root="data/demo").posts("test")[:3]
    gates = model.attention(model.preprocessor(posts)).gates["visual"]
    assert gates.shape == (3, max(len(post.words) for post in posts))
    assert torch.all((gates > 0) & (gates < 1))
    write_json_lines(posts, "posts.jsonl", images=posts[0].image.parent)
    images = ["--images", str(posts[0].image.parent)]
    assert main(["tag", "posts.jsonl", "--ckpt_path", "run/best.ckpt", "--output", "tagged.jsonl", *images]) == 0
    lines = Path("tagged.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [post.id for post in posts]


@pytest.mark.slow
def test_its_package_installs(tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed")]
    subprocess.run([*install, str(copy_example(tmp_path / "example"))], check=True)
    code = "from mner.plugins import load_plugins; load_plugins(); import sys; print(sys.modules['gated_sum'].__file__)"
    search = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=search,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert Path(found.stdout.strip()) == tmp_path / "installed" / "gated_sum.py"


def test_its_package_makes_the_bare_name_known(example, fit, tmp_path, monkeypatch):
    project = ConfigParser()
    project.read("pyproject.toml", encoding="utf-8")
    points = [f"{name} = {module[1:-1]}" for name, module in project['project.entry-points."mner.plugins"'].items()]
    installed = tmp_path / "mner_gated_sum-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mner-gated-sum\nVersion: 0.1.0\n", encoding="utf-8"
    )
    (installed / "entry_points.txt").write_text("\n".join(["[mner.plugins]", *points]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(example)
    config = (example / "gated_sum.yaml").read_text(encoding="utf-8").replace("gated_sum.GatedSum", "GatedSum")
    (example / "gated_sum.yaml").write_text(config, encoding="utf-8")
    load_plugins.cache_clear()
    try:
        assert fit() == 0
        assert "gated_sum" in sys.modules
    finally:
        load_plugins.cache_clear()
    assert type(mner.load_model("run/best.ckpt")).__name__ == "GatedSum"


def copy_example(folder):
    """A writable copy, even of a read-only checkout."""
    shutil.copytree(EXAMPLE, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    return folder
