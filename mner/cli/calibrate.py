"""``mner calibrate``: a temperature that makes confidences match accuracy, fitted on annotated posts and saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mner.cli.parsing import OptionParser
from mner.cli.remote_option import add_remote_images, remote_images
from mner.data.columns import COLUMNS_HELP, parse_columns
from mner.devices import ACCELERATOR_HELP, device_of
from mner.errors import ConfigurationError
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner calibrate``."""
    options = OptionParser(
        prog="mner calibrate",
        description="Fit the temperature of a model's confidences on annotated posts that it was not trained on, such "
        "as the validation split, and save the model with it as a folder. No tag changes, only confidences.",
    )
    options.add_argument("file", type=Path, help="Annotated posts, in any format that mner tag reads.")
    options.add_argument("--ckpt_path", type=Path, required=True, help="A checkpoint, for example runs/0/best.ckpt.")
    options.add_argument("--output", type=Path, required=True, help="The folder of the calibrated model.")
    options.add_argument("--images", type=Path | None, default=None, help="Folder of the images that the posts name.")
    add_remote_images(options)
    options.add_argument("--columns", type=str, default=None, nargs="+", help=COLUMNS_HELP)
    options.add_argument(
        "--region_file",
        type=Path | None,
        default=None,
        help="The file of a model with PrecomputedRegions or DetectedCrops.",
    )
    options.add_argument("--batch_size", type=int, default=32, help="Posts per batch.")
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Fit, save and report.

    Raises:
        MNERError: If the posts or the checkpoint cannot be used, or the folder cannot be written.
    """
    options = parser().parse_args(list(arguments[1:]))
    from mner.data.readers import read_posts
    from mner.inference.calibrate import fit_temperature
    from mner.inference.load import load_model
    from mner.vision import use_region_file

    model = load_model(options.ckpt_path)
    if model.runtime == "onnx":
        raise ConfigurationError(
            f"{options.ckpt_path} is an exported model; calibrate the checkpoint, then export the calibrated folder"
        )
    model.to(device_of(options.accelerator))
    folder = None if options.images is None else options.images.absolute()
    remote = remote_images(options)
    use_region_file(model.image_encoder, options.region_file)
    model.preprocessor = model.preprocessor.using(image_folders=[folder], remote=remote)
    posts = read_posts(options.file, images=folder, columns=parse_columns(options.columns), remote=remote)
    found = fit_temperature(model, posts, options.batch_size)
    model.save_pretrained(options.output)
    print(f"temperature: {found.temperature:g}")
    print(f"negative log-likelihood per post: {found.before:.4f} before, {found.after:.4f} after")
    print(printable(f"model: {options.output}"))
