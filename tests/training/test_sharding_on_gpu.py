"""FSDP and DeepSpeed learn on a GPU what an unsharded training learns there, and resume exactly, with Adam too."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytorch_lightning.utilities.deepspeed import convert_zero_checkpoint_to_fp32_state_dict

import mner

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]


def weights(path):
    return {name: weight.float().cpu() for name, weight in checkpoint(path)["state_dict"].items()}


def checkpoint(path):
    """The checkpoint; a folder of DeepSpeed as the file that Lightning makes of it."""
    if path.is_dir():
        path, folder = path.with_name(f"{path.name}.file"), path
        convert_zero_checkpoint_to_fp32_state_dict(folder, path)
    return torch.load(path, map_location="cpu", weights_only=False)


@pytest.fixture(scope="module")
def run(tiny_text_encoder_folder, shared_twitter_folder, tmp_path_factory):
    """A function that trains in a process of its own, whole and resumed, and returns the folder of the checkpoints."""
    folder = tmp_path_factory.mktemp("sharded")
    script = Path(__file__).with_name("sharding_on_gpu.py")

    def train(strategy):
        arguments = [tiny_text_encoder_folder, shared_twitter_folder, folder, strategy]
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "1"]
        subprocess.run([*torchrun, script, *arguments], check=True)
        return folder

    train("plain")
    return train


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed_stage_1", "deepspeed_stage_2", "deepspeed_stage_3"])
def test_sharded_training(strategy, run):
    if strategy.startswith("deepspeed"):
        pytest.importorskip("deepspeed")
    folder = run(strategy)
    for optimizer in ("adam", "sgd"):
        whole = weights(folder / f"{strategy}_{optimizer}.ckpt")
        torch.testing.assert_close(whole, weights(folder / f"plain_{optimizer}.ckpt"), rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(
            weights(folder / f"{strategy}_{optimizer}_resumed.ckpt"), whole, rtol=1e-3, atol=1e-5
        )
    if strategy == "fsdp":
        mner.load(folder / "fsdp_adam.ckpt", "cuda").predict("Oslo is loud")
