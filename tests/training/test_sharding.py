"""Models that FSDP shards learn what one process learns, and their checkpoints are whole; DeepSpeed clips alike."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fsdp_on_cpu import trained
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy

import mner
from mner.errors import ConfigurationError
from mner.text import HuggingFaceText
from mner.text.lora import LoRA


@pytest.mark.slow
def test_two_processes_of_fsdp_learn_what_one_process_does(tiny_text_encoder_folder, shared_twitter_folder, tmp_path):
    arguments = [str(tiny_text_encoder_folder), shared_twitter_folder]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    script = Path(__file__).with_name("fsdp_on_cpu.py")
    subprocess.run([*torchrun, script, *arguments, tmp_path], check=True)
    squares = trained(*arguments, tmp_path / "one.ckpt", accumulate_grad_batches=2)
    assert squares.sqrt().max() == pytest.approx(0.05, rel=1e-3)  # some step is clipped
    torch.testing.assert_close(torch.load(tmp_path / "squares.pt"), squares, rtol=1e-3, atol=1e-6)
    consolidate = "pytorch_lightning.utilities.consolidate_checkpoint"
    subprocess.run([sys.executable, "-m", consolidate, tmp_path / "shards.ckpt"], check=True)
    (tmp_path / "shards.ckpt.consolidated").rename(tmp_path / "file.ckpt")
    for name, other in (("whole", "one"), ("resumed", "uninterrupted"), ("layers", "whole"), ("file", "whole")):
        weights = [
            dict(torch.load(tmp_path / f"{each}.ckpt", weights_only=False)["state_dict"]) for each in (name, other)
        ]
        torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)
    for path in (
        tmp_path / "whole.ckpt",
        tmp_path / "file.ckpt",
        tmp_path / "run" / "best.ckpt",
        tmp_path / "run" / "last.ckpt",
    ):
        mner.load(path).predict("Oslo is loud")
    assert (tmp_path / "run" / "metrics.json").exists()


@pytest.mark.parametrize(
    ("bound", "config", "expected"),
    [(None, {}, 0.3), (0.7, {}, 0.7), (0.0, {}, 0.0), (0.7, {"gradient_clipping": 2}, 2)],
)
def test_deepspeed_clips_to_the_same_norm(make_model, bound, config, expected):
    model = make_model(max_grad_norm=0.3)
    strategy = DeepSpeedStrategy.__new__(DeepSpeedStrategy)  # its constructor needs the package
    strategy.config = dict(config)
    model._trainer = SimpleNamespace(strategy=strategy, gradient_clip_val=bound)
    model.setup("fit")
    assert strategy.config["gradient_clipping"] == expected
    assert strategy.config["train_micro_batch_size_per_gpu"] == 1
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 100.0)
    model.configure_gradient_clipping(torch.optim.SGD([parameter]), bound)
    assert parameter.grad.tolist() == [100, 100]  # the engine clips, not the model


def test_an_adapter_is_not_sharded(make_model, tiny_text_encoder_folder):
    pytest.importorskip("peft")
    model = make_model()
    model.text_encoder = HuggingFaceText(str(tiny_text_encoder_folder), lora=LoRA(rank=2))
    model._trainer = SimpleNamespace(strategy=FSDPStrategy(), gradient_clip_val=None)
    with pytest.raises(ConfigurationError, match="with the strategy ddp, or without lora"):
        model.setup("fit")
