"""The command itself: help that imports nothing heavy, and errors in one message."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
import yaml
from pytorch_lightning import __version__ as lightning

import mner
from mner.cli import COMMANDS, main, said
from mner.cli.inputs import check_inputs
from mner.cli.static_help import LIGHTNING
from mner.errors import ConfigurationError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def complain(experiment, capsys):
    """Runs a command that fails; returns its status and its last words."""

    def run(*arguments, config=True):
        capsys.readouterr()
        given = [arguments[0], *(["--config", str(experiment)] if config else []), *arguments[1:]]
        try:
            status = main(given)
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr().err
        assert "Traceback" not in said
        lines = said[said.index("error: ") :].splitlines()
        assert len(lines) <= 6
        return status, "\n".join(lines)

    return run


def test_the_overview_names_every_command(capsys):
    for arguments in ([], ["--help"], ["-h"]):
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert all(f"  {name} " in printed for name in COMMANDS)


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mner {mner.__version__}\n"


def test_an_unknown_command(capsys):
    assert main(["tga"]) == 2
    assert capsys.readouterr().err.startswith("mner: no command 'tga'\n\nusage: mner COMMAND")


CHEAP = [
    ["--help"],
    *([command, "--help"] for command in COMMANDS),
    *([command, "--nonsense", "1"] for command in COMMANDS if command != "configs"),
    ["configs"],
    ["fit", "--config", "1.0_bert_crf"],
    ["fit", "--config", "demo", "--config", "1.0_bert"],
    ["fit", "--config", "demo", "--config", "1.0_bert_crf", "--run_foldr", "x"],
    ["fit", "--config", "demo", "--config", "1.0_bert_crf", "--seed_everything"],
    ["fit", "--config", "demo", "--config", "1.0_bert_crf", "--model.text_encoder.max_length", "long"],
    ["check-data", "--data", "DemoPost"],
    ["test", "--config", "demo"],
]


def test_help_and_usage_errors_import_no_model_library():
    code = f"""
import sys
from mner.cli import main
for arguments in {CHEAP}:
    print(arguments, flush=True)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == (0 if "--help" in arguments or arguments == ["configs"] else 2), status
    heavy = set("torch transformers pytorch_lightning timm torchvision numpy".split()) & sys.modules.keys()
    assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, f"{run.stdout[-1000:]}\n{run.stderr}"
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--model", "TextOnlly"], "no class is called 'TextOnlly'; did you mean TextOnly?"),
        (["--model.init_args.lrr", "3"], "TextOnly has no argument lrr"),
        (["--model.init_args.optimization.lr", "fast"], "--model.optimization.lr: expected float, got 'fast'"),
        (["--model.init_args.decoder", "CRRF"], "no class is called 'CRRF'; did you mean CRF?"),
        (["--data", "Twiter2017"], "no class is called 'Twiter2017'; did you mean Twitter2017, Twitter2015"),
        (["--config", "missing.yaml"], "no config 'missing.yaml': no such file"),
        (["--config", "1.0_bert"], "did you mean 1.0_bert_crf or "),
        (["--nonsense"], "no option --nonsense"),
        (["--run_foldr", "x"], "no option --run_foldr; did you mean --run_folder"),
        pytest.param(
            ["--trainer.max_epoch", "3"],
            "no option --trainer.max_epoch; did you mean --trainer.max_epochs",
            marks=pytest.mark.skipif(lightning != LIGHTNING, reason="only the parser knows this Lightning's options"),
        ),
        (["--seed_everything"], "--seed_everything needs a value"),
        (["--resume", "always"], "--resume: expected never or auto, got 'always'"),
    ],
)
def test_a_mistaken_option(complain, options, complaint):
    status, words = complain("fit", *options)
    assert status == 2
    assert complaint in words


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--data.init_args.root", "/nowhere"], "no folder /nowhere; give the data set's folder with --data.init_args"),
        (["--data.init_args.batch_size", "0"], "expected batch_size >= 1, got 0"),
        (["--data.init_args.train_fraction", "3.0"], "expected train_fraction in (0, 1], got 3.0"),
        (["--model.init_args.optimization.warmup_ratio", "2"], "expected optimization.warmup_ratio in [0, 1], got 2"),
        (
            ["--model", "CoAttention", "--model.image_encoder", "resnet15x"],
            "no image encoder is called 'resnet15x'; did you mean",
        ),
        (["--model.init_args.text_encoder.init_args.name", "no/such-model"], "cannot load the text encoder"),
        (["--model.init_args.text_encoder.init_args.name", "./missing"], "no weights at"),
        (["--trainer.accelerator", "gpu"], "No supported gpu backend found"),
        (
            ["--trainer.max_epochs", "-1"],
            "the schedule 'linear' needs the length of the training",
        ),
        (["--ckpt_path", "missing.ckpt"], "no checkpoint at missing.ckpt"),
    ],
)
def test_what_a_constructor_refuses(complain, options, complaint):
    if "gpu" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    status, words = complain("fit", *options)
    assert status == 1
    assert words.startswith(f"error: {complaint}")
    assert not list(Path().rglob("*.ckpt"))


def test_what_the_parser_refuses_names_the_command(complain, experiment, capsys):
    assert complain("fit", "--model.contexts", "{a: 1}")[0] == 2
    assert main(["fit", "--config", str(experiment), "--model.contexts", "{a: 1}"]) == 2
    assert capsys.readouterr().err.startswith("mner fit: error: ")
    assert main(["configs", "show"]) == 2
    assert capsys.readouterr().err.startswith("mner configs: error: ")


def test_null_inside_a_class(experiment, capsys):
    options = [
        "--model.text_encoder.max_length",
        "null",
        "--model.optimization.optimizer_arguments",
        '{"foreach": null}',
    ]
    with suppress(SystemExit):
        main(["fit", "--config", str(experiment), *options, "--print_config"])
    model = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert model["text_encoder"]["init_args"]["max_length"] is None
    assert model["optimization"]["optimizer_arguments"] == {"foreach": None}


def test_what_is_missing_is_named(complain):
    status, words = complain("fit", config=False)
    assert (status, words) == (
        2,
        "error: the following arguments are required: --data, --model\n"
        "  --data: --config demo or another name of mner configs, or --data with the name of a class\n"
        "  --model: --config 1.0_bert_crf or another name of mner configs, or --model with the name of a class\n"
        "(--help lists the options)",
    )
    for part, other, remedy in (
        ("model", "demo", "no model is chosen: add "),
        ("data", "1.0_bert_crf", "no data set is chosen: add "),
    ):
        Path("late.yaml").write_text(f"{part}: {{init_args: {{batch_size: 4}}}}", encoding="utf-8")
        status, words = complain("fit", "--config", "late.yaml", "--config", other, config=False)
        assert (status, words.count("Subclass")) == (2, 0)
        assert words.startswith(f"error: --{part}: {remedy}")
    status, words = complain("test")
    assert status == 2
    assert words.startswith("error: the following arguments are required: --ckpt_path\n")
    status, words = complain("test", "--ckpt_path", "best.ckpt", config=False)
    assert (status, words.splitlines()[0]) == (2, "error: the following arguments are required: --data")


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict", "tag"])
@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("missing.ckpt", "no checkpoint at missing.ckpt; mner fit prints the path of the one it keeps"),
        (".", "no checkpoint at .; mner fit prints"),
        ("truncated.ckpt", "truncated.ckpt is not a checkpoint, or is truncated; copy it again, or use another"),
        ("text.ckpt", "text.ckpt is not a checkpoint, or is truncated"),
        ("tensors.ckpt", "tensors.ckpt contains tensors but is not a checkpoint of mner"),
    ],
)
def test_what_is_no_checkpoint(complain, trained_run, command, name, complaint):
    content = (trained_run / "best.ckpt").read_bytes()
    Path("truncated.ckpt").write_bytes(content[: len(content) // 2])
    Path("text.ckpt").write_text("hello", encoding="utf-8")
    torch.save({"weight": torch.zeros(2)}, "tensors.ckpt")
    if command == "tag":
        Path("posts.txt").write_text("hello", encoding="utf-8")
        status, words = complain("tag", "posts.txt", "--ckpt_path", name, config=False)
    else:
        status, words = complain(command, "--ckpt_path", name)
    assert status == 1
    assert words.startswith(f"error: {complaint}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tag", "posts.txt", "--ckpt_path", "no.ckpt"], "no checkpoint at no.ckpt; mner fit prints the path"),
        (["tag", "no.txt", "--ckpt_path", "a.ckpt"], "there is no file no.txt; check the path, relative to "),
        (["tag", "-", "--ckpt_path=a.ckpt", "--images", "no"], "no image folder no; correct --images"),
        (["tag", "-", "--ckpt_path=a.ckpt", "--region_file", "no.h5"], "there is no file no.h5"),
        (["check-data", "no.txt"], "there is no file no.txt"),
        (["show", "no.txt"], "there is no file no.txt"),
        (["calibrate", "posts.txt", "--ckpt_path=a.ckpt", "--output=o", "--images", "no"], "no image folder no"),
        (["check-data", "--data", "Twitter2017", "--data.root=no"], "no folder no; give the data set's folder with"),
        (["test", "--config", "demo", "--ckpt_path", "no.ckpt"], "no checkpoint at no.ckpt"),
        (
            ["validate", "--ckpt_path", "a.ckpt", "--data", "PostFiles", "--data.valid", "no.txt"],
            "valid split: there is no",
        ),
        (["validate", "--ckpt_path", "a.ckpt", "--config", "post_files"], "valid split: there is no file valid.jsonl"),
        (["fit", "--config", "1.0_bert_crf", "--config", "demo", "--ckpt_path", "no.ckpt"], "no checkpoint at no.ckpt"),
        (
            ["fit", "--model", "TextOnly", "--data", "PostFiles", "--data.init_args.train", "no"],
            "train split: there is no file no; check",
        ),
        (["tag", "s3://a/b.txt", "--ckpt_path", "a.ckpt"], "s3://a/b.txt is an address, and a path is expected"),
        (["check-data", "s3://a/b.txt"], "s3://a/b.txt is an address, and a path is expected"),
        (
            ["fit", "--model", "TextOnly", "--data", "{class_path: Twitter2015, init_args: {root: gone}}"],
            "no folder gone;",
        ),
        (
            ["fit", "--data", "DemoPosts", "--config", "1.0_bert_crf", "--model.text_encoder.name", "./no"],
            "no weights at ",
        ),
        (["fit", "--config", "1.0_bert_crf", "--config", "demo", "--extra_posts", "[no.txt]"], "there is no file no"),
        (["fit", "--config", "1.0_bert_crf", "--config", "demo", "--pretraining", "no"], "no config 'no'"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_missing_file_is_noticed_before_anything_is_imported(complain, monkeypatch, arguments, complaint):
    Path("posts.txt").write_text("hello", encoding="utf-8")
    Path("a.ckpt").touch()
    for command in COMMANDS:
        monkeypatch.setitem(COMMANDS, command, ("no_such_module", ""))
    status, words = complain(*arguments, config=False)
    assert status == 1
    assert words.startswith(f"error: {complaint}")


def test_looking_for_files_imports_no_model_library():
    code = """
import sys
from mner.cli import main
assert main(["tag", "-", "--ckpt_path", "no.ckpt"]) == 1
assert {"torch", "transformers", "pytorch_lightning", "timm"}.isdisjoint(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "--config", "1.0_bert_crf", "--data", "PostFiles", "--data.train", "no.txt", "--data", "DemoPosts"],
        ["fit", "--config", "1.0_bert_crf", "--config", "demo", "--data.root", "drawn"],
        ["fit", "--config", "1.0_bert_crf", "--data", "my_module.Mine", "--data.root", "bucket"],
        ["test", "--config", "demo", "--ckpt_path", "last"],
        ["test", "--config", "demo", "--ckpt_path", "s3://bucket/best.ckpt"],
        ["test", "--data", "PostFiles", "--data.train", "no.txt", "--data.test", "posts.txt", "--ckpt_path", "a.ckpt"],
        ["fit", "--data", "PostFiles", "--data.train", "posts.txt", "--data.images", "null", "--model", "TextOnly"],
        ["check-data", "posts.txt", "--json"],
    ],
    ids=" ".join,
)
def test_files_that_may_be_there_are_left_to_the_command(arguments):
    Path("posts.txt").write_text("hello", encoding="utf-8")
    Path("a.ckpt").touch()
    check_inputs(arguments[0], arguments[1:])


def test_a_checkpoint_of_other_labels_is_not_resumed(complain, trained_run):
    words = "in\tO\nOslo\tB-LOC\n\nKevin\tB-PER\nDurant\tI-PER\n"
    Path("posts.txt").write_text(words, encoding="utf-8")
    options = ["--data", "PostFiles", "--data.train", "posts.txt", "--data.valid", "posts.txt", "--run_folder", "new"]
    status, words = complain("fit", "--ckpt_path", str(trained_run / "last.ckpt"), *options)
    assert status == 1
    assert words.startswith("error: the checkpoint was trained with the labels ['O', 'B-PER', 'I-PER', 'B-LOC', ")


def test_debug_shows_where_an_error_came_from():
    with pytest.raises(Exception, match="batch_size") as caught:
        main(["check-data", "--debug", "--data", "Twitter2017", "--data.batch_size", "0"])
    assert isinstance(caught.value.__cause__, ConfigurationError) or isinstance(caught.value, ConfigurationError)


def test_an_error_of_mner_is_found_behind_others():
    error = ValueError("does not validate")
    error.__cause__ = ConfigurationError("too small")
    assert said(error) == "too small"
    assert said(OSError("disk full")) == "OSError: disk full"


def test_no_abstract_class_is_offered_as_a_choice(capsys):
    main(["fit", "--help"])
    shown = "".join(capsys.readouterr().out.split())
    assert "mner.data.Twitter2017" in shown
    assert "FolderDataModule" not in shown
    assert "ChainDecoder" not in shown


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full")
def test_a_full_standard_output_is_one_line():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mner", "configs"], stdout=full, stderr=subprocess.PIPE, encoding="utf-8"
        )
    assert done.returncode == 1
    assert done.stderr == "mner configs: error: cannot write the output: No space left on device; make room\n"
