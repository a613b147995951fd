"""FSDP on two CPU processes: python -m torch.distributed.run --nproc_per_node 2 fsdp_on_cpu.py ENCODER DATA FOLDER

``trained`` is what one process is compared with. Lightning allows FSDP on GPUs only, and torch places it there by
default; ``FSDPOnCPU`` does neither. On a CPU torch saves one of Adam's two moments in place of the other, since it
gathers both in one buffer, which only a copy from a GPU would preserve: resumption is tested with SGD.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.distributed.fsdp
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import FSDPStrategy
from torch import nn
from transformers.models.bert.modeling_bert import BertLayer

from mner.cli import main
from mner.data import Twitter2017
from mner.fusion import TextOnly
from mner.labels import labels_for
from mner.text import HuggingFaceText
from mner.training import Optimization

ADAM = Optimization(lr=1e-2, weight_decay=0.5, max_grad_norm=0.05)
SGD = replace(ADAM, optimizer="SGD", optimizer_arguments={"momentum": 0.9})


class OnCPU(torch.distributed.fsdp.FullyShardedDataParallel):
    def __init__(self, *arguments, device_id=None, **options):
        super().__init__(*arguments, device_id=torch.device("cpu"), **options)


class FSDPOnCPU(FSDPStrategy):
    def __init__(self, layers: bool = False, state_dict_type: str = "full"):
        torch.distributed.fsdp.FullyShardedDataParallel = OnCPU
        policy = {BertLayer} if layers else None
        super().__init__(process_group_backend="gloo", auto_wrap_policy=policy, state_dict_type=state_dict_type)


class Norms(pl.Callback):
    """Sum of the squares of the clipped gradients in this process."""

    def __init__(self):
        self.squares = []

    def on_before_zero_grad(self, trainer, module, optimizer):
        found = [each.grad.square().sum() for each in module.parameters() if each.grad is not None]
        self.squares += [torch.stack(found).sum()] if found else []


def trained(encoder, data, checkpoint, optimization=ADAM, resume=None, **settings):
    """Train for two epochs of five steps, save, and return the squared gradient norms after clipping."""
    torch.manual_seed(0)
    labels = labels_for(("PER", "LOC", "ORG", "MISC"))
    model = TextOnly(text_encoder=HuggingFaceText(encoder), labels=labels, optimization=optimization)
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    norms = Norms()
    epochs = ModelCheckpoint(checkpoint.with_suffix(""), filename="{epoch}", save_top_k=-1)
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "use_distributed_sampler"), False)
    settings = {"accelerator": "cpu"} | settings
    settings |= {"max_epochs": 2, "callbacks": [norms, epochs], "limit_val_batches": 0}
    trainer = pl.Trainer(**quiet, **settings)
    trainer.fit(model, Twitter2017(data, batch_size=2).using(model.preprocessor), ckpt_path=resume)
    trainer.save_checkpoint(checkpoint)
    return torch.stack(norms.squares) if norms.squares else None  # DeepSpeed keeps gradients elsewhere


if __name__ == "__main__":
    encoder, data, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])

    def sharded(name, strategy=None, **options):
        return trained(encoder, data, folder / name, devices=2, strategy=strategy or FSDPOnCPU(), **options)

    squares = sharded("whole.ckpt")
    torch.distributed.all_reduce(squares)
    torch.save(squares, folder / "squares.pt")
    sharded("shards.ckpt", FSDPOnCPU(state_dict_type="sharded"))
    sharded("uninterrupted.ckpt", optimization=SGD)
    sharded("resumed.ckpt", optimization=SGD, resume=folder / "uninterrupted/epoch=0.ckpt")
    sharded("layers.ckpt", FSDPOnCPU(layers=True))
    command = f"fit --config 1.0_bert_crf --data Twitter2017 --data.init_args.root {data} --run_folder {folder / 'run'}"
    command += f" --model.init_args.text_encoder.init_args.name {encoder} --trainer.max_epochs 1 --trainer.devices 2"
    sys.exit(
        main([*command.split(), "--trainer.accelerator=cpu", "--trainer.strategy.class_path=fsdp_on_cpu.FSDPOnCPU"])
    )
