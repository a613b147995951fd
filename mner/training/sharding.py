"""Gradient clipping under the strategies that shard a model between processes: FSDP and DeepSpeed."""

from __future__ import annotations

from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DeepSpeedStrategy, FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel


def flattens(trainer: Trainer) -> bool:
    """Whether the strategy of a trainer flattens the parameters, so that their shapes are lost."""
    return isinstance(trainer.strategy, FSDPStrategy)


def clips_itself(trainer: Trainer) -> bool:
    """Whether the strategy of a trainer clips gradients within its optimizer step."""
    return isinstance(trainer.strategy, DeepSpeedStrategy)


def configure_deepspeed(trainer: Trainer, bound: float) -> None:
    """Add what DeepSpeed needs to know to its config, unless the user's config sets it.

    Args:
        trainer: A trainer with ``DeepSpeedStrategy``; nothing is done with any other.
        bound: Maximum gradient norm; 0 disables clipping.
    """
    strategy = trainer.strategy
    if isinstance(strategy, DeepSpeedStrategy) and isinstance(strategy.config, dict):
        strategy.config.setdefault("gradient_clipping", bound)
        # For its throughput log only; Lightning would read it from a batch sampler, which our loaders do not have.
        strategy.config.setdefault("train_micro_batch_size_per_gpu", 1)


def clip_shards(trainer: Trainer, bound: float) -> bool:
    """Clip gradients to a norm over the shards of all processes.

    Args:
        trainer: A trainer in an optimizer step.
        bound: Maximum gradient norm.

    Returns:
        Whether the model is sharded by FSDP; nothing is clipped otherwise.
    """
    root = trainer.model
    if not isinstance(root, FullyShardedDataParallel):
        return False
    root.clip_grad_norm_(bound)  # Lightning's clip_gradients refuses: it has only the shards of this process
    return True
