"""Results of scoring: a table on the screen, ``predictions.jsonl`` and ``metrics.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.exceptions import SIGTERMException
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mner.analysis.costs import TIMING_FILE
from mner.analysis.counts import Score
from mner.analysis.mention_kinds import score_kinds
from mner.batch import Batch
from mner.callbacks.gathering import gathered
from mner.data.datamodule import PostDataModule
from mner.decoders.entities import EntityLists
from mner.files import atomic_write
from mner.labels import types_of
from mner.metrics import seqeval_report
from mner.post_json import to_json
from mner.posts import Post
from mner.predictions import Prediction, check_threshold, confident, write_predictions
from mner.terminal import printable, printable_lines

GROUNDED = {"gmner": "span, type and box", "mner": "span and type", "eeg": "span and box"}


class PredictionsWriter(Callback):
    """Collects predictions while a model is scored, from all processes, and writes them in the data set's order.

    Scores under an ablation of the data module are written to separate files, such as
    ``predictions.shuffled_images.jsonl``. The seconds of the training, validation included and before a resumption too,
    and of scoring per post are written to ``timing.json``.

    Args:
        folder: Folder for ``predictions.jsonl`` and ``metrics.json``.
        threshold: Leave out predicted entities with a lower confidence. Metrics count all.
    """

    def __init__(self, folder: str | Path, threshold: float = 0.0) -> None:
        self.folder = Path(folder)
        check_threshold(threshold)
        self.threshold = threshold
        self._predictions: list[Prediction] = []
        self._images: dict[Path | None, bool] = {}
        self._train_posts: int | None = None
        self._train_seconds = 0.0
        self._fit_began: float | None = None
        self._scoring_began = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the number of training posts, and the time."""
        self._train_posts = len(_posts(trainer, "train")) or None
        self._fit_began = time.perf_counter()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record how long the training took."""
        self._train_seconds, self._fit_began = self._seconds_so_far(), None

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds of the training so far."""
        return {"train_seconds": self._seconds_so_far()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue to count from those of a checkpoint."""
        self._train_seconds = float(state_dict["train_seconds"])

    def _seconds_so_far(self) -> float:
        return self._train_seconds + (0.0 if self._fit_began is None else time.perf_counter() - self._fit_began)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from nothing."""
        self._begin()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from nothing."""
        self._begin()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from nothing."""
        self._begin()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Collect, unless the validation is part of training."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._collect(outputs, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Collect."""
        self._collect(outputs, batch)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Collect, and stop after SIGTERM, as Lightning's other loops do."""
        self._collect(outputs, batch)
        if trainer.received_sigterm:
            raise SIGTERMException

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write, unless the validation is part of training."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._write(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write."""
        self._write(trainer, pl_module, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write."""
        self._write(trainer, pl_module, "predict")

    def _begin(self) -> None:
        """Record the time, and forget what a scoring that did not reach its end has collected."""
        self._scoring_began = time.perf_counter()
        self._predictions, self._images = [], {}

    def _collect(self, outputs: EntityLists, batch: Batch) -> None:
        self._predictions += [
            Prediction(post, tuple(entities), entities.scores)
            for post, entities in zip(batch.posts, outputs, strict=True)
        ]
        if batch.image_mask is not None:
            self._images |= {path: not error for path, error in zip(batch.image_paths, batch.image_errors, strict=True)}

    def _write(self, trainer: Trainer, model: LightningModule, stage: str) -> None:
        split: Literal["valid", "test"] = "valid" if stage == "val" else "test"
        seconds = time.perf_counter() - self._scoring_began
        predictions, self._predictions = gathered(self._predictions), []
        images, self._images = dict(gathered([*self._images.items()])), {}
        images.pop(None, None)
        if not trainer.is_global_zero:
            return
        place = {post.id: index for index, post in enumerate(_posts(trainer, split))}
        if place:
            predictions.sort(key=lambda prediction: place[prediction.post.id])
        datamodule = getattr(trainer, "datamodule", None)
        ablation = getattr(datamodule, "ablation", None)
        suffix = f".{ablation}" if ablation else ""
        path = self.folder / f"predictions{suffix}.jsonl"
        write_predictions((confident(each, self.threshold) for each in predictions), path)
        prefix = f"{stage}/"
        metrics = {
            name.removeprefix(prefix): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(prefix)
        }
        annotated = any(prediction.post.tags is not None for prediction in predictions)
        if metrics and annotated:
            kinds = score_kinds(predictions)
            record = {"split": split, "posts": len(predictions), **self._about(datamodule, split, images), **metrics}
            if kinds:
                record["kind_of_mention"] = {kind: asdict(score) for kind, score in kinds.items()}
            with atomic_write(self.folder / f"metrics{suffix}.json") as file:
                file.write(to_json(record, indent=2) + "\n")
            if not suffix:
                self._write_timing(seconds / len(predictions))
            title = f"{len(predictions)} {split} posts{', ' * bool(ablation)}{(ablation or '').replace('_', ' ')}"
            Console().print(score_table(metrics, types_of(model.labels), title, kinds))  # type: ignore[arg-type]
            if stage == "test":
                report = seqeval_report(predictions)
                with atomic_write(self.folder / f"classification_report{suffix}.txt") as file:
                    file.write(report)
                print(f"seqeval's classification_report:\n{printable_lines(report)}")
        print(printable(f"predictions: {path}"))

    def _about(
        self, datamodule: Any, split: Literal["valid", "test"], images: Mapping[Path | None, bool]
    ) -> dict[str, Any]:
        """Describe the data that were scored, as far as they are known."""
        is_known = isinstance(datamodule, PostDataModule)
        label_map = getattr(datamodule, "label_map", None)
        return {
            "data": type(datamodule).__name__ if is_known else None,
            "version": datamodule.version(split) if is_known else None,
            **({"label_map": dict(label_map)} if label_map else {}),
            **({"train_posts": self._train_posts} if self._train_posts else {}),
            **({"images": {"named": len(images), "used": sum(images.values())}} if images else {}),
        }

    def _write_timing(self, seconds_per_post: float) -> None:
        timing = {"train_seconds": round(self._train_seconds, 1)} if self._train_seconds else {}
        with atomic_write(self.folder / TIMING_FILE) as file:
            file.write(to_json({**timing, "seconds_per_post": round(seconds_per_post, 6)}, indent=2) + "\n")


def score_table(
    metrics: dict[str, float], types: Sequence[str], title: str, kinds: Mapping[str, Score] | None = None
) -> Table:
    """Tabulate precision, recall and F1 in percent: per type, overall, over character spans, of boxes, per kind.

    Args:
        metrics: Values between 0 and 1 under the names of :class:`mner.metrics.EntityF1`, those of the strict
            convention with the suffix ``_strict``, those of a model that aligns views also with ``_text_only``, and of
            :class:`mner.metrics.GroundedF1`.
        types: Entity types, in order.
        title: Title of the table.
        kinds: Scores per kind of mention.
    """
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in ("precision", "recall", "F1", "F1 strict", "entities"):
        table.add_column(name, justify="right")
    for kind in types:
        table.add_row(escape(printable(kind)), *_cells(metrics, f"_{kind}"))
    table.add_section()
    table.add_row("overall (micro)", *_cells(metrics, ""), style="bold")
    table.add_row("mean of types (macro)", *_cells(metrics, "", "macro_"))
    if "f1_text_only" in metrics:
        table.add_row("text only", *_cells(metrics, "_text_only"))
    if "f1_characters" in metrics:
        table.add_row("character spans", *_cells(metrics, "_characters"))
    if "gmner_f1" in metrics:
        table.add_section()
        for name, what in GROUNDED.items():
            percents = [f"{100 * metrics[f'{name}_{each}']:.2f}" for each in ("precision", "recall", "f1")]
            table.add_row(f"{name.upper()}: {what}", *percents, "", f"{metrics['gmner_support']:.0f}")
    if "region_coverage" in metrics:
        coverage = f"{100 * metrics['region_coverage']:.2f}"
        table.add_row("shown entities that a region covers", "", coverage, "", "", f"{metrics['gmner_shown']:.0f}")
    if kinds:
        table.add_section()
    for kind, score in (kinds or {}).items():
        percents = [f"{100 * value:.2f}" for value in (score.precision, score.recall, score.f1)]
        table.add_row(escape(printable(f"{kind} mentions")), *percents, "", str(score.support))
    return table


def _cells(metrics: dict[str, float], suffix: str, prefix: str = "") -> list[str]:
    names = [f"{prefix}{name}{suffix}" for name in ("precision", "recall", "f1")]
    names.append(f"{prefix}f1{suffix}_strict")
    cells = [f"{100 * metrics[name]:.2f}" if name in metrics else "" for name in names]
    support = metrics.get(f"{prefix}support{suffix}")
    return [*cells, "" if support is None else f"{support:.0f}"]


def _posts(trainer: Trainer, split: Literal["train", "valid", "test"]) -> Sequence[Post]:
    """Return the posts of the trainer's data module, none where it has another data module or only loaders."""
    datamodule = getattr(trainer, "datamodule", None)
    return datamodule.posts(split) if isinstance(datamodule, PostDataModule) else ()
