"""The model card of a trained model, made from its run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Template
from markupsafe import Markup

from mner import __version__
from mner.analysis.calibration import Calibration, calibrate
from mner.analysis.counts import count_entities
from mner.checkpoints import SelfContained
from mner.components import to_config
from mner.errors import ConfigurationError, DataError, FormatError
from mner.labels import types_of
from mner.markdown import escape_markdown
from mner.paths import is_file
from mner.post_json import from_json
from mner.predictions import Prediction, read_predictions
from mner.sharing.code import foreign_modules
from mner.templates import template_environment

SCORES = {"precision": "precision", "recall": "recall", "f1": "F1", "f1_strict": "F1 strict"}
TASK = "token-classification"
_AS_WRITTEN = "Give the run folder of mner fit as it was written"


def model_card(model: SelfContained, name: str, run: str | Path | None = None, license: str | None = None) -> str:
    """Write a model card: data, labels, scores, ablations, calibration, seed, use and limits.

    Args:
        model: The model.
        name: Its name, ``user/name`` or a folder.
        run: Its run folder, whose ``metrics.json`` has the scores, or the folder in it that ``mner test`` wrote.
            Without it the card says that they are not recorded.
        license: Identifier of the licence.

    Raises:
        ConfigurationError: If ``run`` has no ``metrics.json``.
        FormatError: If a file of the run is malformed.
    """
    record = _run(Path(run)) if run is not None else {}
    labels, contexts = list(getattr(model, "labels", [])), list(getattr(model, "contexts", []))
    metadata = ModelCardData(
        license=license,
        library_name="mner",
        pipeline_tag=TASK if labels else None,
        tags=["mner", "named-entity-recognition", "multimodal", "pytorch-lightning"],
        model_name=name,
        eval_results=_results(record) or None,
    )
    return _template().render(
        metadata=Markup(metadata.to_yaml()),
        name=name,
        load=Markup(json.dumps(name)),  # in a block of code
        method=type(model).__name__,
        sees_images=getattr(model, "image_encoder", None) is not None,
        contexts=contexts,
        example=Markup(json.dumps(dict.fromkeys(contexts, "..."))),
        types=types_of(labels),
        encoders=_encoders(to_config(model)),
        temperature=getattr(getattr(model, "decoder", None), "temperature", 1.0),
        modules=foreign_modules(to_config(model)),
        license=license,
        version=__version__,
        columns=SCORES,
        **{name: record.get(name) for name in ("data", "generated", "metrics", "ablations", "calibration", "training")},
    )


@cache
def _template() -> Template:
    environment = template_environment("mner.sharing", escape_markdown)
    environment.filters["percent"] = lambda value: "" if value is None else f"{100 * value:.2f}"
    return environment.get_template("README.md.jinja")


def _run(folder: Path) -> dict[str, Any]:
    """Read what a run folder records of the training and its scores."""
    path = folder / "metrics.json"
    if not is_file(path):
        raise ConfigurationError(f"{folder} has no metrics.json; give the run folder of mner fit, or leave it out")
    metrics = {"data": None, "split": None, "version": None, "posts": None, **_mapping(path, from_json)}
    for name, value in metrics.items():
        if name.startswith(tuple(SCORES)) and type(value) not in (int, float):
            raise FormatError(path, None, f"expected {name} to be a number, got {value!r:.60}", _AS_WRITTEN)
    configs = [folder / "config.yaml", folder.absolute().parent / "config.yaml"]  # of mner fit; mner test's is below it
    config = next((_mapping(path, yaml.safe_load) for path in configs if is_file(path)), {})
    data = str(_section(config, "data").get("class_path", "")).rpartition(".")[2]
    predictions = _predictions(folder / "predictions.jsonl")
    return {
        "data": data or None,
        "generated": data == "DemoPosts",
        "metrics": metrics,
        "ablations": _ablations(folder),
        "calibration": _calibration(predictions),
        "training": {
            "seed": config.get("seed_everything"),
            "epochs": _section(config, "trainer").get("max_epochs"),
            "posts": metrics.get("train_posts"),
        },
    }


def _mapping(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    """Read a file of the run that contains one mapping, or is empty."""
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except (DataError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise FormatError(path, None, f"it cannot be read ({' '.join(str(error).split())})", _AS_WRITTEN) from error
    if not isinstance(found, dict | None):
        raise FormatError(path, None, f"expected a mapping, got a {type(found).__name__}", _AS_WRITTEN)
    return found or {}


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _predictions(path: Path) -> list[Prediction]:
    return read_predictions(path) if is_file(path) else []


def _ablations(folder: Path) -> dict[str, float]:
    """F1 of the same weights under each ablation."""
    paths = sorted(folder.glob("predictions.*.jsonl"))
    return {
        path.name.split(".")[1].replace("_", " "): count_entities(read_predictions(path)).score().f1 for path in paths
    }


def _calibration(predictions: list[Prediction]) -> Calibration | None:
    try:
        return calibrate(predictions) if predictions else None
    except DataError:  # without confidences
        return None


def _encoders(config: Any) -> dict[str, str]:
    """The names of pretrained weights by the argument that they initialised; paths are shortened to their last part."""
    arguments = config["init_args"]
    found = {}
    for part in ("text_encoder", "image_encoder"):
        init = (arguments.get(part) or {}).get("init_args", {}) if isinstance(arguments.get(part), dict) else {}
        if isinstance(init.get("name"), str):
            found[part.replace("_", " ")] = Path(init["name"]).name if "/" in init["name"][:1] else init["name"]
    return found


def _results(record: dict[str, Any]) -> list[EvalResult]:
    metrics = record.get("metrics") or {}
    data = metrics.get("data") or record.get("data") or "unknown"
    version = metrics.get("version")
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=data.lower(),
            dataset_name=data if version is None else f"{data}, {version}",
            dataset_split=metrics.get("split"),
            metric_type=key.removesuffix("_strict"),
            metric_name=name,
            metric_value=round(metrics[key], 6),
        )
        for key, name in SCORES.items()
        if key in metrics
    ]
