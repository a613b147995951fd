"""``mner caption``: captions, object tags or the letters in the picture, for every image of a folder."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mner.errors import ConfigurationError

if TYPE_CHECKING:
    from mner.contexts import Captioner

DEFAULTS = {"caption": "Salesforce/blip-image-captioning-base", "objects": "efficientnet_lite0", "ocr": "rapidocr"}
CHECKPOINT_SUFFIX = ".ckpt"


def parser() -> argparse.ArgumentParser:
    """The options of ``mner caption``."""
    options = argparse.ArgumentParser(
        prog="mner caption",
        description="Describe every image of a folder, one JSON object a line, for a data set's contexts. Goes on "
        "where an earlier run stopped; torchrun shares the work among processes.",
    )
    options.add_argument("--images", type=Path, required=True, help="folder of the images")
    options.add_argument("--output", type=Path, required=True, help="file to write, for example captions.jsonl")
    options.add_argument("--kind", choices=DEFAULTS, default="caption", help="what to write (default: %(default)s)")
    options.add_argument(
        "--captioner",
        help="caption: a Hugging Face model's name or folder, or a checkpoint of UpDown; objects: a timm classifier, "
        f"or faster_rcnn for a detector; ocr: rapidocr (default: {', '.join(DEFAULTS.values())})",
    )
    options.add_argument("--batch-size", type=int, default=16, help="images described at once (default: %(default)s)")
    options.add_argument("--threads", type=int, default=4, help="threads that read images (default: %(default)s)")
    options.add_argument("--device", help="cpu, cuda, mps (default: the accelerator, if there is one)")
    return options


def run(arguments: Sequence[str]) -> None:
    """Describe the images.

    Raises:
        MNERError: If the captioner, the folder or the output cannot be used.
    """
    options = parser().parse_args(arguments[1:])
    if options.batch_size < 1 or options.threads < 1:
        raise ConfigurationError(
            f"expected --batch-size and --threads >= 1, got {options.batch_size} and {options.threads}"
        )
    from mner.contexts.folder import describe_folder, image_names, process_rank

    image_names(options.images)  # a wrong folder shows before a model is loaded
    rank, processes = process_rank()
    name = options.captioner or DEFAULTS[options.kind]
    captioner = _captioner(options.kind, name).to(options.device or _best_device())
    report = describe_folder(
        captioner,
        options.images,
        options.output,
        source=Path(name).name if Path(name).exists() else name,
        batch_size=options.batch_size,
        threads=options.threads,
        progress=rank == 0 and sys.stderr.isatty(),
    )
    who = f"mner caption (process {rank} of {processes})" if processes > 1 else "mner caption"
    print(f"{who}: {report.written} images described, {report.kept} were there, {len(report.bad)} could not be used")
    for reason in report.bad.values():
        print(f"  {reason}")
    print(f"  {options.output} is complete" if report.complete else "  the other processes are still at work")


def _captioner(kind: str, name: str) -> Captioner:
    from mner import contexts

    if kind == "objects":
        return contexts.DetectorTags() if name == "faster_rcnn" else contexts.ClassifierTags(name)
    if kind == "ocr":
        if name != DEFAULTS["ocr"]:
            raise ConfigurationError(f"expected --captioner rapidocr with --kind ocr, got {name!r}")
        return contexts.OCR()
    if name.endswith(CHECKPOINT_SUFFIX):
        return contexts.UpDown.load_from_checkpoint(name).eval()
    return contexts.HuggingFaceCaptioner(name)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"
