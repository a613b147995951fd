"""Training and scoring with a file of regions, which no checkpoint names."""

import json

import numpy as np
import pytest

from mner.cli import main


@pytest.fixture
def regions(shared_twitter_folder, tmp_path):
    path = tmp_path / "regions.npz"
    names = [image.stem for image in (shared_twitter_folder / "images").iterdir()]
    np.savez(path, **{name: np.full((2, 4), index, dtype=np.float32) for index, name in enumerate(names)})
    return path


def test_the_file_is_given_again(regions, shared_twitter_folder, tiny_text_encoder_folder, tmp_path, capsys):
    text = {"class_path": "HuggingFaceText", "init_args": {"name": str(tiny_text_encoder_folder)}}
    image = {"class_path": "PrecomputedRegions", "init_args": {"path": str(regions)}}
    config = {
        "model": {"class_path": "Concatenation", "init_args": {"text_encoder": text, "image_encoder": image}},
        "data": {"class_path": "Twitter2017", "init_args": {"root": str(shared_twitter_folder)}},
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    run = tmp_path / "run"
    image["init_args"]["key"] = "post"
    (tmp_path / "by_post.json").write_text(json.dumps(config), encoding="utf-8")
    by_post = ["fit", "--config", str(tmp_path / "by_post.json"), "--run_folder", str(run)]
    assert main([*by_post, "--ablations", "[blank_images]"]) == 1
    assert "blank_images changes nothing" in capsys.readouterr().err  # before the training
    assert not run.exists() or not [*run.glob("*.ckpt")]
    assert main(["fit", "--config", str(tmp_path / "config.json"), "--run_folder", str(run)]) == 0
    scored = ["test", "--ckpt_path", str(run / "best.ckpt"), "--config", str(run / "config.yaml")]
    assert f"best.ckpt --region_file {regions}\n" in capsys.readouterr().out
    assert main(scored) == 1
    assert "--region_file FILE" in capsys.readouterr().err
    assert main([*scored, "--region_file", str(regions)]) == 0
    posts = tmp_path / "posts.jsonl"
    posts.write_text(
        json.dumps({"id": "1", "tokens": ["Oslo"], "image": next(iter(np.load(regions))) + ".jpg"}), encoding="utf-8"
    )
    tag = ["tag", str(posts), "--ckpt_path", str(run / "best.ckpt"), "--images", str(shared_twitter_folder / "images")]
    assert main([*tag, "--region_file", str(regions)]) == 0
    record = {"id": "1", "tokens": ["Oslo"], "ner_tags": ["B-PER"], "picture": next(iter(np.load(regions))) + ".jpg"}
    posts.write_text(json.dumps(record), encoding="utf-8")
    calibrate = ["calibrate", *tag[1:], "--output", str(tmp_path / "calibrated"), "--columns", "image=picture"]
    assert main(calibrate) == 1
    assert "--region_file FILE" in capsys.readouterr().err
    assert main([*calibrate, "--region_file", str(regions)]) == 0
