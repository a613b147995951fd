"""``mner calibrate``: a temperature that makes confidences match accuracy, fitted on annotated posts and saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mner.cli.parsing import OptionParser
from mner.cli.post_options import MODEL_HELP, add_post_options, add_region_file, given_model, given_posts
from mner.devices import ACCELERATOR_HELP
from mner.terminal import printable


def parser() -> OptionParser:
    """The options of ``mner calibrate``."""
    options = OptionParser(
        prog="mner calibrate",
        description="Fit the temperature of a model's confidences on annotated posts that it was not trained on, such "
        "as the validation split, and save the model with it as a folder. No tag changes, only confidences.",
    )
    options.add_argument("file", type=Path, help="Annotated posts, in any format that mner tag reads.")
    options.add_argument("--ckpt_path", type=Path, required=True, help=MODEL_HELP)
    options.add_argument("--output", type=Path, required=True, help="The folder of the calibrated model.")
    add_post_options(options)
    add_region_file(options)
    options.add_argument("--batch_size", type=int, default=32, help="Posts per batch.")
    options.add_argument("--accelerator", type=str, default="auto", help=ACCELERATOR_HELP)
    return options


def run(arguments: Sequence[str]) -> None:
    """Fit, save and report.

    Raises:
        MNERError: If the posts or the checkpoint cannot be used, or the folder cannot be written.
    """
    options = parser().parse_args(list(arguments[1:]))
    from mner.inference.calibrate import fit_temperature

    model = given_model(options, "; calibrate the checkpoint, then export the calibrated folder")
    found = fit_temperature(model, given_posts(options), options.batch_size)
    model.save_pretrained(options.output)
    print(f"temperature: {found.temperature:g}")
    print(f"negative log-likelihood per post: {found.before:.4f} before, {found.after:.4f} after")
    print(printable(f"model: {options.output}"))
