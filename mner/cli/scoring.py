"""Scoring on the command line: after a training, of a checkpoint, and under ablations."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only

from mner.callbacks import BestCheckpoint
from mner.cli.messages import say
from mner.cli.pretraining import ENCODER_FOLDER
from mner.cli.run_folder import latest
from mner.components import to_config
from mner.data import PostDataModule
from mner.data.ablations import Ablation
from mner.decoders.chain_decoder import ChainDecoder
from mner.errors import CheckpointError, ConfigurationError, DatasetNotFoundError
from mner.fusion.base import FusionModule
from mner.inference.load import load_model
from mner.paths import is_file, is_there
from mner.posts import Post
from mner.pretraining.base import PretrainingModule
from mner.remote_images import address_of
from mner.sharing.code import foreign_modules
from mner.text.base_model import given_base, refuse_base
from mner.text.subword_encoder import SubwordEncoder
from mner.training.module import TrainingModule
from mner.vision.file_transform import FileTransform
from mner.vision.precomputed_regions import use_region_file
from mner.weights import PACKAGE_SCHEME

_CANDIDATES = 100
"""Posts among which one with an image is chosen as an example."""
_CONVERT = (
    "python -m pytorch_lightning.utilities.consolidate_checkpoint FOLDER, or one of DeepSpeed with "
    "pytorch_lightning.utilities.deepspeed.convert_zero_checkpoint_to_fp32_state_dict"
)


def load_scored(path: Path | None, command: str, options: Namespace) -> TrainingModule:
    """Load the model of a checkpoint for a scoring command, and print a description.

    Raises:
        CheckpointError: If there is no such checkpoint, or its model predicts no entities.
        ConfigurationError: If its decoder has no constraints, but some are requested; or it has no adapter, but a base
            is named.
    """
    if path is None:
        raise CheckpointError(f"mner {command} needs a checkpoint: --ckpt_path runs/0/best.ckpt")
    policy = {} if options.on_bad_image is None else {"on_bad_image": options.on_bad_image}
    model = TrainingModule.load_from_checkpoint(path, **policy).eval()
    refuse_base(getattr(model, "text_encoder", None), path)
    use_region_file(model.image_encoder, options.region_file)
    if options.constraints is not None:
        decoder = getattr(model, "decoder", None)
        if not isinstance(decoder, ChainDecoder):
            raise ConfigurationError(f"the model of {path} has no decoder with constraints; leave out --constraints")
        decoder.constraints = options.constraints
    if isinstance(model, FusionModule):
        say(f"model: {type(model).__name__} from {path}, labels {', '.join(model.labels)}")
    elif command != "validate":
        raise CheckpointError(
            f"{path} is a pre-training checkpoint, which predicts no entities; fine-tune the encoder next to it, with "
            f"--model.init_args.text_encoder.init_args.name {path.parent / ENCODER_FOLDER}"
        )
    if options.model is not None:
        say("the model of the configs is ignored: the checkpoint has its own")
    return model


def score_after_fit(
    trainer: Trainer,
    model: TrainingModule,
    datamodule: PostDataModule,
    best: BestCheckpoint | None,
    ablations: Sequence[Ablation],
) -> None:
    """Score the best weights on the test split, or on the validation split where there is no test split.

    Without checkpoints the weights after the last step are scored. For a pre-training, the encoder is written instead.

    Args:
        trainer: The trainer, after training.
        model: The trained model.
        datamodule: Its data.
        best: The callback that saved the best checkpoints, or ``None``.
        ablations: Ablations that are scored as well.

    Raises:
        ConfigurationError: If nothing was trained.
    """
    path = None if best is None else best.best_path
    if trainer.global_step == 0:
        raise ConfigurationError("the training ended before its first step; raise the limit, such as trainer.max_time")
    if best is not None and path is None:
        why = (
            "the --checkpoint options save none"
            if best.monitor in trainer.callback_metrics
            else "nothing was validated"
        )
        last = latest(Path(best.dirpath or ""))
        say(f"there is no best checkpoint: {why}" + (f"; the last is {last}" if last else ""))
        return
    if path is not None and path.is_dir():
        say(f"the best checkpoint, {path}, is a folder of shards and is not scored; to make it a file: {_CONVERT}")
        return
    if isinstance(model, PretrainingModule):
        if path is None:
            say("checkpointing is off, so no encoder is written")
        else:
            with given_base(model):
                _export(model, path, best)
            trainer.strategy.barrier()
        return
    if path is None:
        say("checkpointing is off: scoring the weights after the last step")
    with given_base(model):
        scored = model if path is None else load_model(path)
    assert isinstance(scored, FusionModule)
    transform = None if model.image_encoder is None else model.image_encoder.image_transform
    if isinstance(transform, FileTransform):  # a checkpoint names no file; take that of this training
        use_region_file(scored.image_encoder, transform.path)
    try:
        datamodule.posts("test")
    except DatasetNotFoundError:
        say("no test split: scoring the validation split, on which the checkpoint was chosen")
        command: Literal["validate", "test"] = "validate"
    else:
        command = "test"
    score(trainer, command, scored, datamodule, ablations)
    if path is not None:
        say(f"checkpoint: {path}")
        say(f"tag a post: {_example(scored, datamodule)} --ckpt_path {shlex.quote(str(path))}{_sources(scored)}")


def score(
    trainer: Trainer,
    command: Literal["validate", "test"],
    model: TrainingModule,
    datamodule: PostDataModule,
    ablations: Sequence[Ablation],
) -> None:
    """Score a model, and again under each ablation."""
    batches = f"limit_{'val' if command == 'validate' else command}_batches"
    if getattr(trainer, batches) == 0:
        say(f"{batches} is 0: nothing is scored")
        return
    if datamodule.preprocessor is not model.preprocessor:
        datamodule.preprocessor = model.preprocessor
    for ablation in (None, *ablations):
        datamodule.ablation = ablation
        getattr(trainer, command)(model, datamodule=datamodule, verbose=False)
    datamodule.ablation = None


@rank_zero_only
def _export(model: PretrainingModule, path: Path, best: Any) -> None:
    folder = path.parent / ENCODER_FOLDER
    if is_there(folder):  # left from before the training was resumed
        shutil.rmtree(folder)
    PretrainingModule.load_from_checkpoint(path).export(folder)
    say(f"encoder with the best {best.monitor}, {float(best.best_model_score):.4f}: {folder}")
    say(f"fine-tune it: mner fit --model.init_args.text_encoder.init_args.name {shlex.quote(str(folder))} ...")


def _example(model: FusionModule, datamodule: PostDataModule) -> str:
    """Return a command that tags a validation post with entities, and with its image if the model sees images."""
    named = (post for post in datamodule.posts("valid") if any(tag != "O" for tag in post.tags or ()))
    posts = list(islice(named, _CANDIDATES))
    if model.image_encoder is not None:
        for post in posts:
            # A fetched one is known by its address, which the example would have to fetch again.
            if post.image is not None and is_file(post.image) and address_of(post.image) is None:
                record = {"text": _text(post), "image_id": post.image.name}
                line = json.dumps(record, ensure_ascii=False)
                return f"echo {shlex.quote(line)} | mner tag - --images {shlex.quote(str(post.image.parent))}"
    return f"echo {shlex.quote(_text(posts[0]) if posts else 'Meet me in Paris')} | mner tag -"


def _sources(model: FusionModule) -> str:
    """Return the options that name what the checkpoint of a model does not contain: code, base, file of regions."""
    given: list[tuple[str, object]] = [("import", module) for module in foreign_modules(to_config(model))]
    encoder = model.text_encoder
    if isinstance(encoder, SubwordEncoder) and encoder.lora is not None:
        name = encoder.checkpoint_arguments()["name"]
        given += [] if name.startswith(PACKAGE_SCHEME) else [("base", name)]
    transform = None if model.image_encoder is None else model.image_encoder.image_transform
    if isinstance(transform, FileTransform):
        given.append(("region_file", transform.path))
    return "".join(f" --{option} {shlex.quote(str(source))}" for option, source in given)


def _text(post: Post) -> str:
    return post.text or " ".join(post.words)
