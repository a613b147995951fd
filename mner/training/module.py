"""The base of every model that is trained: text and image encoder, optimizer, image features, checkpoints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, TypeVar, cast

import torch
from pytorch_lightning import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.callbacks import EMA, DivergenceStop, ExactResumption, ImageSummary, JointStop
from mner.errors import CheckpointError, ConfigurationError
from mner.images import ImageLoader
from mner.preprocessor import MAX_IMAGES, Preprocessor
from mner.sharing import Shareable
from mner.text.encoder import TextEncoder
from mner.text.probe import POST
from mner.training.optimization import Optimization
from mner.training.parameter_groups import Rates, layerwise_rates, parameter_groups
from mner.training.schedules import optimizer_and_scheduler
from mner.training.sharding import clip_shards, clips_itself, configure_deepspeed, flattens
from mner.vision.encoder import ImageEncoder
from mner.vision.post_regions import post_regions
from mner.vision.registry import as_image_encoder
from mner.word_tokenizers import TweetTokenizer, WordTokenizer

Part = TypeVar("Part", TextEncoder, ImageEncoder)


class TrainingModule(Shareable, ABC):
    """Encoders and their optimization; a subclass defines the steps and sets ``preprocessor``.

    Args:
        text_encoder: Posts to word vectors.
        image_encoder: Images to regions: a part, or a name from ``mner.vision.registry``.
        optimization: Learning rates, optimizer, schedule, clipping, EMA.
        contexts: Kinds of context that the model reads after the post, in order.
        word_tokenizer: Splits raw text into words; a :class:`~mner.word_tokenizers.TweetTokenizer` by default.
        on_bad_image: ``mask`` leaves an image out that cannot be used; ``error`` stops.
        max_images: Maximum number of images per post, the first ones; their regions are concatenated.

    Raises:
        ConfigurationError: If an option of the optimization is out of range, or an encoder lacks an attribute.
    """

    monitor: ClassVar[tuple[str, Literal["min", "max"]]]
    """The logged metric that selects the best checkpoint, and whether it is minimised or maximised."""
    runtime: ClassVar[Literal["torch", "onnx"]] = "torch"
    """What computes its networks; ``onnx`` after ``mner export``."""
    preprocessor: Preprocessor
    """Turns posts into this model's batches: ``DataLoader(posts, collate_fn=model.preprocessor)``."""

    def __init__(
        self,
        text_encoder: TextEncoder,
        image_encoder: ImageEncoder | str | None,
        optimization: Optimization,
        contexts: Sequence[str] = (),
        word_tokenizer: WordTokenizer | None = None,
        on_bad_image: Literal["mask", "error"] = "mask",
        max_images: int = MAX_IMAGES,
    ) -> None:
        super().__init__()
        self.text_encoder = _complete(text_encoder, "hidden_size", "subword_tokenizer")
        self.image_encoder = (
            None
            if image_encoder is None
            else _complete(as_image_encoder(image_encoder), "hidden_size", "frozen", "image_transform")
        )
        self.contexts = list(contexts)
        self.word_tokenizer = TweetTokenizer() if word_tokenizer is None else word_tokenizer
        self.image_loader = ImageLoader(on_bad_image=on_bad_image)
        self.max_images = max_images
        self._flattened_groups: list[dict[str, Any]] = []
        # A mapping if it comes from a checkpoint.
        self.optimization = Optimization(**optimization) if isinstance(optimization, Mapping) else optimization
        if not isinstance(self.optimization, Optimization):
            raise ConfigurationError(f"expected an Optimization, got a {type(optimization).__name__}")

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the image encoder as it was built to the arguments."""
        arguments = super().checkpoint_arguments()
        return {**arguments, **({"image_encoder": self.image_encoder} if "image_encoder" in arguments else {})}

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one step."""

    def preprocessing(self) -> dict[str, Any]:
        """Return the preprocessor's arguments that follow from the encoders and options."""
        return {
            "subword_tokenizer": self.text_encoder.subword_tokenizer,
            "contexts": self.contexts,
            "word_tokenizer": self.word_tokenizer,
            "image_transform": None if self.image_encoder is None else self.image_encoder.image_transform,
            "image_loader": self.image_loader,
            "max_images": self.max_images,
        }

    @property
    def image_width(self) -> int:
        """Width of a region, V; 1 where there is no image encoder and one masked region replaces the image."""
        return 1 if self.image_encoder is None else self.image_encoder.hidden_size

    def encode_image(self, batch: Batch) -> ImageFeatures:
        """Return the region features of a batch: stored, or from the image encoder; masked where there is no image.

        Every model begins with it, so it also reports what a loader worker could not use.

        Regions of several images of a post are concatenated, see :func:`~mner.vision.post_regions.post_regions`.
        They have the floating-point type of the model, so true half and double precision need no special handling, and
        boxes where the image encoder knows them.
        """
        self.preprocessor.report(batch)
        dtype = cast("torch.dtype", self.dtype)  # not of the first parameter: the text encoder may have one of its own
        encoder = self.image_encoder
        image: ImageFeatures
        if batch.image is not None:
            image = batch.image
        elif encoder is not None and batch.pixels is not None and batch.image_mask is not None:
            image = encoder(batch.pixels, batch.image_mask)
        else:
            regions = torch.zeros(batch.word_mask.shape[0], 1, self.image_width, dtype=dtype, device=self.device)
            if encoder is not None:
                # Zeros that depend on all its parameters, or processes with images would wait for this one's gradients.
                trained = (each for each in encoder.parameters() if each.requires_grad)
                regions = regions + sum(each.flatten()[:0].sum() for each in trained)
            return ImageFeatures(regions, torch.zeros_like(regions[..., 0], dtype=torch.bool), regions[:, 0])
        if encoder is not None:  # before images are joined, since the cells of a grid follow from their number
            image = replace(image, boxes=encoder.region_boxes(image))
        if batch.post_of_image is not None:
            image = post_regions(image, batch.post_of_image, len(batch))
        return image.to_dtype(dtype)

    def learning_rates(self) -> list[Rates]:
        """Return parameters with learning rate and weight decay, the most specific first, those of the model last."""
        options, image = self.optimization, self.image_encoder
        new, decay = options.effective_new_layer_lr, options.weight_decay
        rates: list[Rates] = [(list(layer.parameters()), new, decay) for layer in self.text_encoder.new_layers]
        rates += layerwise_rates(self.text_encoder, options.lr, options.layer_lr_decay, decay)
        if image is not None:
            own = image.learning_rate
            rates.append((list(image.parameters()), options.lr if own is None else own, decay))
        return [*rates, (list(self.parameters()), new, decay)]

    def configure_optimizers(self) -> Any:
        """Build the optimizer and the schedule of ``self.optimization``, with the rates of :meth:`learning_rates`.

        Raises:
            ConfigurationError: If they cannot be built; explains why.
        """
        groups = self._flattened_groups or self._parameter_groups()
        # A fused optimizer unscales float16 gradients itself, too late for clipping.
        scaled = self.trainer.precision == "16-mixed"
        if self._max_grad_norm and scaled and self.optimization.optimizer_arguments.get("fused"):
            raise ConfigurationError(
                "a fused optimizer cannot clip gradients under 16-mixed; leave fused out of optimizer_arguments, "
                "or train with bf16-mixed"
            )
        fused = self.device.type in ("cpu", "cuda") and not scaled
        steps = self.trainer.estimated_stepping_batches
        return optimizer_and_scheduler(self.optimization, groups, steps, self.monitor[0], fused)

    def setup(self, stage: str) -> None:
        """Tell a strategy that shards the model, before it does, what it hides or decides afterwards.

        Raises:
            ConfigurationError: If FSDP is to shard a model with a LoRA adapter.
        """
        if stage == "fit":
            flat = flattens(self.trainer)
            if flat and getattr(self.text_encoder, "lora", None) is not None:
                raise ConfigurationError(
                    "FSDP saves all weights, and a checkpoint of a LoRA adapter leaves out those of its base; train "
                    "the adapter with the strategy ddp, or without lora"
                )
            self._flattened_groups = self._parameter_groups() if flat else []
            configure_deepspeed(self.trainer, self._max_grad_norm)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return parameter_groups(self.learning_rates(), self.parameters())

    @property
    def _max_grad_norm(self) -> float:
        bound = self.trainer.gradient_clip_val
        if bound is not None and not bound >= 0:
            raise ConfigurationError(f"expected gradient_clip_val >= 0, where 0 disables clipping, got {bound}")
        return float(self.optimization.max_grad_norm if bound is None else bound)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip to the trainer's maximum norm if it has one, else to the model's; 0 disables clipping."""
        bound, algorithm = self._max_grad_norm, gradient_clip_algorithm or "norm"
        if not bound or clips_itself(self.trainer):
            return
        if algorithm == "norm" and clip_shards(self.trainer, bound):
            return
        if self.trainer.precision == "bf16-mixed":
            # Nothing is scaled here, yet Lightning refuses to clip with any fused optimizer in mixed precision.
            parameters = [each for group in optimizer.param_groups for each in group["params"]]
            if algorithm == "norm":
                nn.utils.clip_grad_norm_(parameters, bound)
            else:
                nn.utils.clip_grad_value_(parameters, bound)
        else:
            self.clip_gradients(optimizer, bound, algorithm)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject a checkpoint of another model, and resuming with another optimizer.

        Raises:
            CheckpointError: If its weights are not the model's, or its optimizer is a different one.
        """
        super().on_load_checkpoint(checkpoint)
        kept = checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {}).get("optimization", {})
        optimizer = kept.get("optimizer", self.optimization.optimizer)
        if "optimizer_states" in checkpoint and optimizer != self.optimization.optimizer:
            raise CheckpointError(
                f"the checkpoint has the state of {optimizer}, but optimization.optimizer is "
                f"{self.optimization.optimizer}; resume with {optimizer}, or start a new training"
            )

    def try_out(self) -> Tensor:
        """Return the vectors of a post's words."""
        text: TextFeatures = self.text_encoder(self.preprocessor.using(quiet=True)([POST]))
        return text.words

    def configure_callbacks(self) -> list[Callback]:
        """Return an image summary and, for training, stops, exact resumption, and the EMA if enabled."""
        present = any(isinstance(each, ImageSummary) for each in self.trainer.callbacks)  # type: ignore[attr-defined]
        summary: list[Callback] = [] if present else [ImageSummary()]
        if self.trainer.state.fn != TrainerFn.FITTING:
            return summary
        chosen = self.optimization
        average = [EMA(chosen.ema_decay, chosen.ema_every_n_steps)] if chosen.ema_decay else []
        return [*summary, DivergenceStop(), JointStop(), ExactResumption(), *average]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the arguments that rebuild the model, and the EMA of the weights where it replaces them."""
        if "callbacks" not in checkpoint:  # weights only, for which Lightning does not call the callbacks
            for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
                if isinstance(callback, EMA):
                    checkpoint["state_dict"] = callback.averaged(checkpoint["state_dict"])
        super().on_save_checkpoint(checkpoint)  # last: it writes the checksum


def _complete(part: Part, *attributes: str) -> Part:
    """Return an encoder that has the attributes which its constructor must set."""
    missing = [name for name in attributes if not hasattr(part, name)]
    if missing:
        raise ConfigurationError(f"{type(part).__name__} has no {' and no '.join(missing)}; set it in its constructor")
    return part
