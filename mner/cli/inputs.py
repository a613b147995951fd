"""The files that a command reads, looked for before anything heavy is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mner.cli.class_usage import flat_options
from mner.cli.option import NULL, options_in
from mner.cli.parsing import CONFIG_OPTIONS, with_config_files
from mner.cli.static_help import described_classes, help_text
from mner.cli.usage import config_content, is_option
from mner.errors import CheckpointError, DataError, DatasetNotFoundError
from mner.model_names import is_model_folder, is_on_hub, no_checkpoint
from mner.output_paths import check_folder, check_target, protected, refuse_protected
from mner.paths import expanded, is_file, is_folder, is_there, not_there
from mner.shipped_configs import find_config
from mner.weights import resolve_weights

CHECKPOINT_NAMES = ("last", "best", "hpc")
"""Names that stand for checkpoints of a run folder."""
SPLITS = {"validate": ("valid",), "test": ("test",), "predict": ("test",)}
"""The splits that a command reads; the others read all."""
TRAINING = ("fit", "cache")
OF_POSTS = ("attend", "calibrate", "check-data", "review", "show", "split", "tag")
"""The commands that are given a file of posts or predictions."""
OUTPUTS = ("output", "figures", "run_folder", "feature_store")
"""Options of what a command writes."""
FOLDER_OUTPUTS = ("attend", "calibrate", "export", "report", "split")
FILE_OUTPUTS = ("caption", "describe", "prompt", "review", "show")
"""The commands of which ``--output`` is a folder, or a file."""
FROM_HUB = ("tag", "attend", "calibrate", "export", "serve")
"""The commands that load a model from a hub by its name."""


def check_inputs(command: str, arguments: Sequence[str]) -> None:
    """Look for the checkpoint, posts, images and weights that a command is given.

    Args:
        command: The command.
        arguments: Its arguments, without usage errors; a config that is only printed may name files of another machine.

    Raises:
        MNERError: If one is not there; names it.
    """
    if any(argument.startswith("--print_config") for argument in arguments):
        return
    values, files = _given(command, arguments)
    for checkpoint in _several(values.get("ckpt_path", [])):
        if not _is_model(command, checkpoint):
            raise CheckpointError(no_checkpoint(checkpoint))
    if command in OF_POSTS:
        _check_files(file for file in files if file != "-" and not _is_remote(values, file))
        _check_files(_listed(values, "against"))
    if command not in ("caption", "report"):
        _check_folders(values, "images")
        _check_folders(values, "example_images")
    _check_files([values["region_file"]] if "region_file" in values else [])
    _check_data(command, values)
    if command in TRAINING:
        _check_files([*_listed(values, "extra_posts"), *_listed(values, "held_out")])
        _check_folders(values, "extra_images")
        if "pretraining" in values:
            find_config(values["pretraining"])
        if _own_class(values, "model.text_encoder", "mner.text") and "model.text_encoder.name" in values:
            resolve_weights(values["model.text_encoder.name"])


@contextmanager
def inputs_protected(command: str, arguments: Sequence[str]) -> Iterator[None]:
    """Keep what a command reads from being overwritten, whatever it writes; a resumed training replaces its checkpoint.

    Args:
        command: The command.
        arguments: Its arguments, without usage errors.

    Raises:
        OutputError: If an option names a file to write that is read or cannot be written, so that no work is lost.
    """
    values, files = _given(command, arguments)
    own = (*OUTPUTS, "ckpt_path") if command in TRAINING else OUTPUTS
    given = [each for name in values.keys() - {*own} for each in _several(values[name])]
    named = [name.partition("=")[2] for name in files if "=" in name]  # of a report: NAME=FILE
    paths = [*given, *files, *named, "/dev/stdin"]
    models = _several(values.get("ckpt_path", []))
    with protected(path for path in paths if not is_folder(path) or path in models):
        for name in OUTPUTS:
            if isinstance(values.get(name), str):
                refuse_protected(values[name])
        _check_outputs(command, values)
        yield


def _check_outputs(command: str, values: Mapping[str, Any]) -> None:
    """Reject what cannot be written: a new file, or one that is replaced, and folders."""
    for name in ("figures", "run_folder", "output") if command in FOLDER_OUTPUTS else ("figures", "run_folder"):
        if name in values:
            check_folder(values[name])
    if command in FILE_OUTPUTS and "output" in values:
        check_target(values["output"])
    # Devices, pipes and links may be written into, and a store may only be read.
    for name in ("feature_store", "output") if command == "tag" else ("feature_store",):
        path = values.get(name, "-")
        if path != "-" and not os.path.lexists(path) and not _is_remote(values, path):
            check_folder(Path(path).parent)


def _is_remote(values: Mapping[str, Any], file: str) -> bool:
    """Whether a file is an address that the engine opens."""
    return values.get("engine") == "ray" and "://" in file


def _several(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [value]


def _is_model(command: str, name: str) -> bool:
    """Whether there is such a checkpoint or folder, or only loading can tell."""
    known = "://" in name or name in CHECKPOINT_NAMES or is_file(name) or is_model_folder(name)
    return known or (command in FROM_HUB and is_on_hub(name))


def _check_data(command: str, values: Mapping[str, Any]) -> None:
    if not _own_class(values, "data", "mner.data"):
        return
    root = values.get("data.root")
    if root is not None and not is_folder(expanded(root)):
        raise DatasetNotFoundError(f"no folder {root}; give the data set's folder with --data.init_args.root DIR")
    _check_folders(values, "data.images")
    for split in SPLITS.get(command, ("train", "valid", "test")):
        file = values.get(f"data.{split}")
        if file is not None and not is_there(expanded(file)):
            raise DatasetNotFoundError(f"{split} split: {not_there(file)}")


def _listed(values: Mapping[str, Any], name: str) -> list[str]:
    """The files of an option; one that is given without brackets is left to the parser, which asks for a list."""
    files = values.get(name)
    return files if isinstance(files, list) else []


def _check_files(files: Iterable[str]) -> None:
    for file in files:
        if not is_there(file):
            raise DatasetNotFoundError(not_there(file))


def _check_folders(values: Mapping[str, Any], name: str) -> None:
    group = name.rpartition(".")[0]
    fetched = f"{group}.remote_images".lstrip(".")
    if name not in values or any(key.startswith(fetched) and values[key] is not None for key in values):
        return  # it is created for what is fetched
    if not is_folder(expanded(values[name]) if group else values[name]):
        raise DataError(
            f"no image folder {values[name]}; correct --{name}, create it for images within the data, or leave it out"
        )


def _own_class(values: Mapping[str, Any], place: str, package: str) -> bool:
    """Whether the class given at a place is one of a package of mner."""
    given = str(values.get(place))
    path = f"{package}.{given.rpartition('.')[2]}"
    return path.endswith(given) and path in described_classes()


def _given(command: str, arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of a command's options and configs, the later ones overriding the earlier, and its other arguments."""
    options = options_in(help_text(command))
    values: dict[str, Any] = {}
    free = []
    takes_value = takes_several = is_further = False
    option_name = ""
    words = with_config_files(arguments)
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if not is_option(word):
            if not takes_value:
                free.append(word)
            elif takes_several and is_further:
                values[option_name] = [*_several(values.get(option_name, [])), word]
            takes_value, is_further = takes_several, True
            continue
        name, equals, text = word.partition("=")
        option = options.get(name)
        takes_value = not equals and (option is None or bool(option.value))
        takes_several = takes_value and option is not None and option.takes_several
        content = text if equals else following
        option_name, is_further = name.lstrip("-"), False
        is_config = name in CONFIG_OPTIONS
        given = flat_options("", config_content(content)) if is_config else flat_options(name.lstrip("-"), content)
        for each, value in given:
            if values.get(each) != value:  # another class, whose arguments are others
                values = {key: kept for key, kept in values.items() if not key.startswith(f"{each}.")}
            values[each] = value
    kept = {name: value for name, value in values.items() if value not in (None, *NULL)}
    return {name: value if isinstance(value, list) else str(value) for name, value in kept.items()}, free
