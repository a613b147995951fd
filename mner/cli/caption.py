"""``mner caption``: captions, object tags or text recognised in images, for every image of a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mner.cli.parsing import OptionParser
from mner.devices import ACCELERATOR_HELP, device_of
from mner.errors import ConfigurationError
from mner.paths import is_there
from mner.terminal import printable

if TYPE_CHECKING:
    from mner.contexts import Captioner

DEFAULTS = {"caption": "Salesforce/blip-image-captioning-base", "objects": "efficientnet_lite0", "ocr": "rapidocr"}
CHECKPOINT_SUFFIX = ".ckpt"


def parser() -> OptionParser:
    """The options of ``mner caption``."""
    options = OptionParser(
        prog="mner caption",
        description="Describe every image of a folder, one JSON object per line, for a data set's contexts. Repeat the "
        "command to resume; torchrun shares the work among processes.",
    )
    options.add_argument("--images", type=Path, required=True, help="Folder of the images.")
    options.add_argument("--output", type=Path, required=True, help="File to write, for example captions.jsonl.")
    options.add_argument(
        "--kind",
        type=Literal["caption", "objects", "ocr"],
        default="caption",
        help="Kind of text.",
    )
    options.add_argument(
        "--captioner",
        type=str | None,
        help="The model: for caption the name or folder of a Hugging Face model, or a checkpoint of UpDown; for "
        "objects a timm classifier, or faster_rcnn for a detector; for ocr rapidocr "
        f"(default: {', '.join(DEFAULTS.values())}).",
    )
    options.add_argument("--batch_size", type=int, default=16, help="Images per batch.")
    options.add_argument("--num_threads", type=int, default=4, help="Threads that read images.")
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Describe the images.

    Raises:
        MNERError: If the captioner, the folder or the output cannot be used.
    """
    options = parser().parse_args(list(arguments[1:]))
    for name in ("batch_size", "num_threads"):
        if options[name] < 1:
            raise ConfigurationError(f"expected --{name} of at least 1, got {options[name]}")
    from mner.contexts.folder import describe_folder, image_names, process_rank

    if str(options.output) == "-":
        raise ConfigurationError("expected --output to be a file, which a later run continues, got the standard output")
    image_names(options.images)  # refuses a wrong folder before a model is loaded
    rank, processes = process_rank()
    name = options.captioner or DEFAULTS[options.kind]
    captioner = _captioner(options.kind, name).to(device_of(options.accelerator))
    report = describe_folder(
        captioner,
        options.images,
        options.output,
        source=Path(name).name if is_there(name) else name,
        batch_size=options.batch_size,
        num_threads=options.num_threads,
        progress=rank == 0 and sys.stderr.isatty(),
    )
    who = f"mner caption (process {rank} of {processes})" if processes > 1 else "mner caption"
    print(
        f"{who}: {report.written} images described, {report.kept} skipped as already described, "
        f"{len(report.bad)} could not be used"
    )
    for reason in report.bad.values():
        print(f"  {printable(reason)}")
    print(f"  {printable(options.output)} is complete" if report.complete else "  other processes are still working")


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
