"""The optimization of every model: learning rates, optimizer, schedule, clipping and EMA in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from mner.argument_types import check_range, check_types
from mner.trust import import_named
from mner.weights import sources_are_closed


@dataclass(frozen=True)
class Optimization:
    """Learning rates, optimizer, learning-rate schedule, gradient clipping and EMA of a training run.

    Plain data: a checkpoint keeps it as a dictionary, and the command line sets its fields by
    ``--model.optimization.lr 1e-4``.

    Args:
        lr: Learning rate of the text encoder, and of an image encoder that does not set its own.
        new_layer_lr: Learning rate of the layers that are not pretrained; ``lr`` by default.
        decoder_lr: Learning rate of the decoder's own parameters; ``new_layer_lr`` by default.
        layer_lr_decay: Factor on ``lr`` from each layer of the text encoder to the one below it (layer-wise
            learning-rate decay); the top layer has ``lr``, the embeddings the lowest rate.
        weight_decay: Weight decay of matrices; biases, norms and the decoder have none.
        warmup_ratio: Warm-up ratio: fraction of the training steps in which the learning rates rise from zero.
        max_grad_norm: Maximum gradient norm; 0 disables clipping. Overridden by ``Trainer(gradient_clip_val=...)``.
        ema_decay: Decay of the exponential moving average (EMA) of the weights, which is validated and saved instead
            of the weights; 0 disables it.
        ema_every_n_steps: Steps from one update of the EMA to the next; ``ema_decay`` stays that of one step. An update
            reads and writes all weights.
        optimizer: A class of ``torch.optim`` by name, or any optimizer by its dotted path.
        optimizer_arguments: Further arguments of the optimizer, for example ``{"betas": [0.9, 0.98]}``.
        scheduler: A schedule of ``transformers.get_scheduler`` by name (``linear``, ``cosine``,
            ``constant_with_warmup``, ...), a class of ``torch.optim.lr_scheduler`` by name, or any by its dotted path.
        scheduler_arguments: Further arguments of the schedule.
        scheduler_interval: Whether a class of ``torch.optim.lr_scheduler`` advances per step or per epoch;
            ``ReduceLROnPlateau`` advances after each validation, by the monitored metric.

    Raises:
        ConfigurationError: If a number is not finite or out of range.
    """

    lr: float = 5e-5
    new_layer_lr: float | None = None
    decoder_lr: float | None = None
    layer_lr_decay: float = 1.0
    weight_decay: float = 0.01
    warmup_ratio: float = 0.0
    max_grad_norm: float = 1.0
    ema_decay: float = 0.0
    ema_every_n_steps: int = 1
    optimizer: str = "AdamW"
    optimizer_arguments: dict[str, Any] = field(default_factory=dict)
    scheduler: str = "linear"
    scheduler_arguments: dict[str, Any] = field(default_factory=dict)
    scheduler_interval: Literal["step", "epoch"] = "step"

    def __post_init__(self) -> None:
        """Check types and ranges, and import the modules of the user's own classes, which are named here."""
        check_types(type(self), vars(self))
        if not sources_are_closed():
            import_named(name.rpartition(".")[0] for name in (self.optimizer, self.scheduler) if "." in name)
        for name in ("lr", "new_layer_lr", "decoder_lr", "weight_decay", "max_grad_norm"):
            check_range(f"optimization.{name}", getattr(self, name), "[0, inf)")
        check_range("optimization.layer_lr_decay", self.layer_lr_decay, "(0, 1]")
        check_range("optimization.warmup_ratio", self.warmup_ratio, "[0, 1]")
        check_range("optimization.ema_decay", self.ema_decay, "[0, 1)")
        check_range("optimization.ema_every_n_steps", self.ema_every_n_steps, "[1, inf)")

    @property
    def effective_new_layer_lr(self) -> float:
        """Learning rate of the layers that are not pretrained."""
        return self.lr if self.new_layer_lr is None else self.new_layer_lr

    @property
    def effective_decoder_lr(self) -> float:
        """Learning rate of the decoder's own parameters."""
        return self.effective_new_layer_lr if self.decoder_lr is None else self.decoder_lr
