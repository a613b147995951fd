"""Usage errors in classes and their arguments, found without the parser."""

import subprocess
import sys

import pytest

from mner.cli.class_usage import ChosenClasses
from mner.cli.option import Option, options_in
from mner.cli.static_help import DESCRIBED, class_help, described_classes, help_text
from mner.cli.usage import requested_class_help, usage_error
from mner.shipped_configs import shipped_configs

TRAINING = ["--config", "demo", "--config", "1.3_bert_cam_crf"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--model", "TextOnlly"], "--model: no class is called 'TextOnlly'; did you mean TextOnly?"),
        (["--data", "Twiter2017"], "did you mean Twitter2017, Twitter2015"),
        (["--model.decoder", "TextOnly"], "--model.decoder: no class is called 'TextOnly'; there are CRF, Softmax."),
        (["--model.init_args.drop_out", "0"], "CoAttention has no argument drop_out; did you mean dropout or word"),
        (["--model.optimization.layer_lr", "0"], "CoAttention has no argument optimization.layer_lr; did you mean"),
        (["--model.optimization.lr=fast"], "--model.optimization.lr: expected float, got 'fast'"),
        (["--model.init_args.text_encoder.init_args.max_length", "x"], "text_encoder.max_length: expected int, got"),
        (
            ["--model.decoder", "CRF", "--model.decoder.constraints", "all"],
            "expected none or decode or both, got 'all'",
        ),
        (["--model", "{class_path: UMT, init_args: {headz: 2}}"], "UMT has no argument headz"),
        (
            ["--config", "{data: {init_args: {batch_sise: 2}}}"],
            "DemoPosts has no argument batch_sise; did you mean batch",
        ),
        (["--data", "PostFiles", "--data.size", "9"], "PostFiles has no argument size"),
        (
            ["--model.optimization.optimizer.momentum", "0.9"],
            "takes a single value and has no arguments; see model.optimization.optimizer_arguments",
        ),
        (["--trainer.max_epochs.x", "1"], "trainer.max_epochs takes a single value"),
        (["--data.init_args.contexts", "caption"], "--data.contexts: expected a list such as [caption], got 'caption'"),
        (["--ablations", "blank_images"], "--ablations: expected a list such as [blank_images], got 'blank_images'"),
    ],
)
def test_a_mistake_in_a_class(options, complaint):
    assert complaint in usage_error("fit", [*TRAINING, *options])


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "my_module.MyFusion", "--model.gates", "3", "--data", "MyData"],
        ["--model.text_encoder", "my_module.MyEncoder", "--model.text_encoder.depth", "two"],
        ["--model.image_encoder", "resnet15x"],
        ["--model.image_encoder", "null", "--model.image_encoder.layers", "3"],
        ["--model.decoder", "null"],
        ["--model.text_encoder.max_length", "null"],
        ["--model.optimization.optimizer_arguments.betas", "[0.9, 0.98]"],
        ["--model", "mner.fusion.TextOnly", "--model.dropout", "0.2"],
        ["--model.dict_kwargs.anything", "1"],
        ["--data.contexts+=caption"],
        ["--data.contexts", "[caption]", "--ablations+", "blank_images"],
        ["--extra_posts", "[]"],
        ["--config", "{trainer: {logger: {class_path: CSVLogger, init_args: {save_dir: x}}}}"],
    ],
)
def test_what_may_be_right_is_left_to_the_parser(options):
    assert usage_error("fit", [*TRAINING, *options]) is None


def test_an_imported_module_may_have_any_class():
    assert usage_error("fit", [*TRAINING, "--model", "MyFusion"], has_imports=True) is None
    assert "no class is called 'MyFusion'" in usage_error("fit", [*TRAINING, "--model", "MyFusion"])


@pytest.mark.parametrize("name", [name for name, path in shipped_configs().items() if path.parent.name != "grids"])
def test_no_shipped_config_is_refused(name):
    if name != "quickstart":  # a grid as well
        assert usage_error("fit", [*TRAINING, "--config", name]) is None


def test_classes_follow_each_other():
    classes = ChosenClasses(options_in(help_text("fit")), has_others=False)
    assert classes.complaint("model.dropout", "x") is None  # no class yet
    assert classes.complaint("model", "TextOnly") is None
    assert classes.complaint("model.dropout", "x") == "--model.dropout: expected float, got 'x'"
    assert classes.complaint("model", "a.Model") is None
    assert classes.complaint("model.dropout", "x") is None


def test_the_help_of_a_class_imports_no_model_library():
    code = """
import sys
from mner.cli import main
assert main(["fit", "--model.text_encoder.help=HuggingFaceText"]) == 0
assert {"torch", "transformers", "pytorch_lightning"}.isdisjoint(sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.startswith("Help for --model.text_encoder.help=mner.text.HuggingFaceText\n")
    assert "--model.text_encoder.max_length MAX_LENGTH" in run.stdout


@pytest.mark.parametrize(
    "order", [("--model", "TextOnly", "--model.help"), ("--model.help", "--model=TextOnly")], ids=str
)
def test_the_help_of_the_chosen_class(order):
    assert requested_class_help(order).startswith("Help for --model.help=mner.fusion.TextOnly\n")
    assert requested_class_help(["--model.help"]) is None


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("int", "3", "3.5"),
        ("int | null", "null", "x"),
        ("Optional[int]", "None", "many"),
        ("Union[float, int, null]", "0.5", "half"),
        ("Optional[Union[int, float]]", "2", "two"),
        ("Optional[Literal['mask', 'error']]", "null", "skip"),
        ("Literal['mask', 'error']", "mask", "null"),
        ("Union[int, float, str, null]", "anything", None),
        ("list[str]", "anything", None),
        ("Optional[Mapping[str, str]]", "anything", None),
        ("EarlyStoppingOptions | Literal[False] | null", "anything", None),
        ("<class 'Path'>", "anything", None),
    ],
)
def test_a_value_is_judged_by_the_type(kind, right, wrong):
    option = Option("--x", "X", f"Something (or other). (type: {kind}, default: null)")
    assert option.complaint(right) is None
    assert wrong is None or option.complaint(wrong).endswith(f", got {wrong!r}")
    assert Option("--x", "X", f"(required, type: {kind})").complaint(right) is None


def test_no_default_is_refused():
    texts = [*map(help_text, DESCRIBED), *(class_help(path, "OPTION") for path in described_classes())]
    options = [option for text in texts for option in options_in(text).values()]
    given = [each for each in options if "default: " in each.description and "..." not in each.value]
    defaults = [(each, each.description.rpartition("default: ")[2].removesuffix(")")) for each in given]
    assert not [(each.name, default) for each, default in defaults if default and each.complaint(default)]
    assert len(given) > 300


def test_the_choices_of_an_option():
    foreign = Option("--trainer.logger", "LOGGER", "(type: Logger, known subclasses: a.B, c.D)")
    assert foreign.classes == []
    own = Option("--decoder", "DECODER", "(type: Decoder | null, known subclasses: mner.decoders.CRF)")
    assert own.classes == ["mner.decoders.CRF"]
    assert not own.takes_text


def test_the_description_of_an_option_may_follow_on_its_line():
    options = options_in(
        "\n  --heads HEADS  Number of heads. (type: int, default: 8)\n  --size SIZE\n        Width. (type: int)\n"
    )
    assert options["--heads"] == Option("--heads", "HEADS", "Number of heads. (type: int, default: 8)")
    assert options["--size"] == Option("--size", "SIZE", "Width. (type: int)")
