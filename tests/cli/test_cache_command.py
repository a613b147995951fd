"""``mner cache``: fills what a training's config names, and says what is missing."""

import pytest

from mner.cli import main


@pytest.fixture
def config(tiny_text_encoder_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.yaml"
    file.write_text(
        f"""
data: {{class_path: DemoPosts, init_args: {{size: 16, root: demo, batch_size: 8}}}}
model:
  class_path: CoAttention
  init_args:
    text_encoder: {{class_path: HuggingFaceText, init_args: {{name: {tiny_text_encoder_folder}}}}}
    image_encoder: {{class_path: mner.vision.Grid, init_args: {{name: resnet10t, weights: null, image_size: 32}}}}
trainer: {{accelerator: cpu, logger: false}}
""",
        encoding="utf-8",
    )
    return str(file)


def test_a_second_run_finds_everything_there(config, capsys, tmp_path):
    arguments = ["cache", "--config", config, "--feature_store", "features.lmdb", "--seed_everything", "1"]
    assert main(arguments) == 0
    first = [line for line in capsys.readouterr().out.splitlines() if "images computed" in line]
    assert [line.split(":")[0] for line in first] == ["train", "valid", "test"]
    assert sum(int(line.split()[1]) for line in first) == len(list((tmp_path / "demo" / "images").iterdir()))
    assert main(arguments) == 0
    again = [line for line in capsys.readouterr().out.splitlines() if "images computed" in line]
    assert all(line.split()[1] == "0" for line in again)


def test_a_config_without_a_cache_is_refused(config, capsys, tmp_path):
    assert main(["cache", "--config", config]) == 1
    assert "--feature_store" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
