"""One GPU, plain, with FSDP and with DeepSpeed: python sharding_on_gpu.py ENCODER DATA FOLDER STRATEGY."""

import sys
from pathlib import Path

from fsdp_on_cpu import ADAM, SGD, trained
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy
from transformers.models.bert.modeling_bert import BertLayer


def strategy(name):
    """A new strategy of each kind."""
    if name == "fsdp":
        return FSDPStrategy(auto_wrap_policy={BertLayer})
    return DeepSpeedStrategy(stage=int(name[-1])) if name.startswith("deepspeed") else "auto"


if __name__ == "__main__":
    encoder, data, folder, name = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    for kind, optimization in (("adam", ADAM), ("sgd", SGD)):
        options = {"optimization": optimization, "devices": 1, "accelerator": "gpu"}
        whole = folder / f"{name}_{kind}.ckpt"
        trained(encoder, data, whole, strategy=strategy(name), **options)
        resume = whole.with_suffix("") / "epoch=0.ckpt"
        trained(
            encoder, data, folder / f"{name}_{kind}_resumed.ckpt", strategy=strategy(name), resume=resume, **options
        )
