"""The command ``mner``: finds the sub-command, runs it, and reports errors in one line."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from io import TextIOWrapper

from mner.cli.memory_errors import out_of_memory
from mner.cli.useful_messages import useful_messages
from mner.cli.utf8_mode import enter_utf8_mode
from mner.errors import MNERError, UsageError
from mner.search_path import working_directory_last
from mner.terminal import printable_lines

COMMANDS = {
    "fit": ("mner.cli.training", "train a model from a config, then score its best weights"),
    "validate": ("mner.cli.training", "score a checkpoint on the validation split"),
    "test": ("mner.cli.training", "score a checkpoint on the test split"),
    "predict": ("mner.cli.training", "find the entities of a data set's test posts, annotated or not"),
    "experiment": ("mner.cli.experiment", "run a grid of models, data sets, seeds and training fractions"),
    "report": ("mner.cli.report", "compare models from their predictions: tables, figures, significance"),
    "tag": ("mner.cli.tag", "find the entities of new posts from a file or from standard input"),
    "calibrate": ("mner.cli.calibrate", "fit the temperature of a model's confidences on annotated posts"),
    "export": ("mner.cli.export", "export a model to ONNX, for deployment"),
    "serve": ("mner.cli.serve", "tag posts over HTTP"),
    "show": ("mner.cli.show", "show posts with their entities highlighted, as text or as an HTML page"),
    "attend": ("mner.cli.attend", "draw the image regions that the words of posts attend to"),
    "caption": ("mner.cli.caption", "describe every image of a folder: captions, object tags, OCR"),
    "describe": ("mner.cli.describe", "ask a language model about every post, for contexts such as knowledge"),
    "prompt": ("mner.cli.prompt", "find entities by prompting a language model, to compare with trained models"),
    "review": ("mner.cli.review", "ask a language model about a tagger's uncertain entities"),
    "cache": ("mner.cli.cache", "compute the image features of a training in advance"),
    "demo": ("mner.cli.demo", "serve a page in the browser for trying and comparing checkpoints"),
    "configs": ("mner.cli.configs", "list, print or copy the configs that ship with mner"),
    "split": ("mner.cli.split", "split posts into training, validation and test files without near-duplicates"),
    "check-data": ("mner.cli.check_data", "report statistics and faults of a data set before training on it"),
}

LOADING = frozenset({"validate", "test", "predict", "tag", "calibrate", "export", "serve", "attend", "demo"})
"""The commands that load a checkpoint, whose base ``--base`` names."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a full or failing disk."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``mner``.

    Args:
        arguments: What follows ``mner``; by default the arguments of the process.

    Returns:
        Exit status: 0, 2 after a usage error, or 1 after any other error; ``--debug`` shows the traceback.
    """
    if arguments is None:
        enter_utf8_mode()
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given, named = _without_sources(argument for argument in given if argument != "--debug")
    status = _answer(given, named)
    if status is not None:
        return status
    working_directory_last()
    try:
        return _run(given, named)
    except UsageError as error:
        if debug:
            raise
        return _refused(given[0], str(error))
    except BrokenPipeError:  # the reader of the output, head for example, has closed it
        _silence_output()
        return 1
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and not error.filename and error.errno in FULL:  # standard output or a log
            print(f"mner {given[0]}: error: cannot write the output: {error.strerror}; make room", file=sys.stderr)
            _silence_output()
            return 1
        known = mner_error(error)
        shortage = None if known else out_of_memory(given[0], error)
        if known is None and shortage is None and not (isinstance(error, OSError) and error.filename):
            traceback.print_exc()  # unexpected: only the traceback explains it
        print(f"mner {given[0]}: error: {shortage or said(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _answer(given: Sequence[str], named: Mapping[str, Sequence[str]]) -> int | None:
    """Answer what needs no command: requests for help or the version, and usage errors.

    Returns:
        The exit status, or ``None`` if the command is to be run.
    """
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return 0
    if given[0] == "--version":
        from mner import __version__

        print(f"mner {__version__}")
        return 0
    if given[0] not in COMMANDS:
        print(printable_lines(f"mner: no command {given[0]!r}\n\n{overview()}"), file=sys.stderr)
        return 2
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # escape characters that the encoding lacks
            stream.reconfigure(errors="backslashreplace")
    if given[0] == "configs":  # whose own parser is fast
        return None
    if "-h" in given or "--help" in given:
        from mner.cli.static_help import help_text

        print(help_text(given[0]), end="")
        return 0
    from mner.cli.usage import requested_class_help, usage_error

    class_help = requested_class_help(given[1:])
    if class_help is not None:
        print(class_help, end="")
        return 0
    complaint = usage_error(given[0], given[1:], has_imports=bool(named["--import"]))
    if complaint is None and named["--base"]:
        complaint = _useless_base(given[0], named["--base"])
    return None if complaint is None else _refused(given[0], complaint)


def _run(given: Sequence[str], named: Mapping[str, Sequence[str]]) -> int:
    """Run a command, and return its exit status."""
    inputs: AbstractContextManager[None] = nullcontext()
    if given[0] != "configs":
        from mner.cli.inputs import check_inputs, inputs_protected

        check_inputs(given[0], given[1:])
        inputs = inputs_protected(given[0], given[1:])
    if named["--import"]:
        from mner.trust import import_named

        import_named(named["--import"])
    command = import_module(COMMANDS[given[0]][0])
    own = (named["--import"],) if given[0] == "experiment" else ()  # whose cells are commands of their own
    with useful_messages(), _base(named["--base"]), inputs:
        return command.run(given, *own) or 0


def _silence_output() -> None:
    """Discard what standard output still buffers, or the interpreter's last flush fails."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused(command: str, complaint: str) -> int:
    print(printable_lines(f"mner {command}: error: {complaint}\n(--help lists the options)"), file=sys.stderr)
    return 2


def _without_sources(arguments: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments of a command, and the modules and base models that the user names among them for checkpoints."""
    others: list[str] = []
    named: dict[str, list[str]] = {"--import": [], "--base": []}
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if option in named:
            named[option].append(value if equals else next(rest, ""))
        else:
            others.append(argument)
    return others, named


def _useless_base(command: str, names: Sequence[str]) -> str | None:
    """Why a command would ignore a base that is named, if it would."""
    if command in ("fit", "cache", "experiment"):
        return (
            "--base names the base of a checkpoint that is loaded; a training takes that of its config: "
            "--model.init_args.text_encoder.init_args.name"
        )
    if command not in LOADING:
        return f"--base names the base of a checkpoint, and {command} loads none; leave it out"
    return None if len(names) == 1 else f"--base is given {len(names)} times; give it once"


def _base(names: Sequence[str]) -> AbstractContextManager[None]:
    if not names:
        return nullcontext()
    from mner.text.base_model import given_base

    return given_base(names[-1])


def said(error: Exception) -> str:
    """Return the message of an error, or of mner's error that caused it: the parser wraps errors of constructors."""
    behind = mner_error(error)
    return printable_lines(f"{type(error).__name__}: {error}" if behind is None else behind)


def mner_error(error: BaseException | None) -> MNERError | None:
    """Return mner's error that an exception is or was caused by, ``None`` if there is none."""
    while error is not None and not isinstance(error, MNERError):
        error = error.__cause__
    return error


def overview() -> str:
    """The help of ``mner`` itself, which imports no model library."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mner COMMAND [OPTIONS]",
            "",
            "Named entities in posts that come with an image.",
            "",
            *lines,
            "",
            "mner COMMAND --help lists the options; --debug shows the traceback of an error. Every command accepts",
            "--import MODULE, a module of your own whose classes a checkpoint may name, and --base NAME, the base of a",
            "checkpoint that contains a LoRA adapter.",
        ]
    )
