"""``mner export`` and tagging with what it wrote: the same output as from the checkpoint; refusals."""

import json
import pickle
import shutil
import subprocess
import sys

import pytest

import mner
from mner.checksum import file_checksum
from mner.cli import main
from mner.errors import CheckpointError, ConfigurationError
from mner.exporting import onnx_graph
from mner.exporting.onnx_export import export_onnx
from mner.inference.ensemble import Ensemble
from mner.inference.n_best import n_best
from mner.inference.tagging_options import TaggingOptions

TEXTS = ["Kevin Durant is in Oslo", "good morning", "", "Letter to Nike from Serena", "in Oslo " * 40]


def change_graph(folder, change):
    """Change the graph of an exported model and its checksum, as an attacker would."""
    import onnx

    graph = onnx.load(folder / "model.onnx")
    change(graph)
    onnx.save(graph, folder / "model.onnx")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["init_args"]["files"]["model.onnx"] = file_checksum(folder / "model.onnx")
    config.pop("checksum")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def spans(found):
    return [[(entity.span, entity.text, entity.characters) for entity in entities] for entities in found]


def confidences(found):
    return [entity.confidence for entities in found for entity in entities]


def test_an_exported_model_tags_as_the_checkpoint(exported_run, trained_run):
    ours, theirs = mner.load(trained_run / "best.ckpt"), mner.load(exported_run)
    expected, found = ours.predict_batch(TEXTS), theirs.predict_batch(TEXTS)
    assert spans(found) == spans(expected)
    assert len(confidences(found)) > 3
    assert confidences(found) == pytest.approx(confidences(expected), abs=1e-4)
    assert [each.scores for each in n_best(theirs, TEXTS[0], n=3)] == [
        pytest.approx(each.scores, abs=1e-4) for each in n_best(ours, TEXTS[0], n=3)
    ]
    pickle.dumps(theirs.preprocessor)
    assert spans(Ensemble([ours.model, theirs.model]).predict_batch(TEXTS)) == spans(expected)


def test_mner_tag_writes_the_same_lines(exported_run, trained_run, tmp_path, capsys):
    (tmp_path / "posts.txt").write_text("".join(f"{text}\n" for text in TEXTS if text), encoding="utf-8")
    command = ["tag", str(tmp_path / "posts.txt"), "--confidences", "false", "--accelerator", "cpu"]
    lines = []
    for path, runtime in ((trained_run / "best.ckpt", "torch"), (exported_run, "onnx")):
        assert main([*command, "--ckpt_path", str(path), "--runtime", runtime]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1]
    assert main([*command, "--ckpt_path", str(trained_run / "best.ckpt"), "--runtime", "onnx"]) == 1
    assert "best.ckpt is a checkpoint, which PyTorch runs; export it: mner export" in capsys.readouterr().err
    assert main([*command, "--ckpt_path", str(exported_run), "--runtime", "torch"]) == 1
    assert "is an exported model, which ONNX Runtime runs" in capsys.readouterr().err


def test_options_that_an_exported_model_does_not_have(exported_run, monkeypatch):
    for options in (TaggingOptions(precision="bf16"), TaggingOptions(precision="int8"), TaggingOptions(compile=True)):
        with pytest.raises(ConfigurationError, match="a model in ONNX computes as it was exported"):
            mner.load(exported_run, options=options)
    with pytest.raises(ConfigurationError, match="an exported model is a folder already"):
        mner.load_model(exported_run).save_pretrained("anywhere")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert mner.load(exported_run, "auto").model.device.type == "cpu"
    with pytest.raises(ConfigurationError, match="a model in ONNX runs on the CPU, got the device cuda:0"):
        mner.load(exported_run, "cuda")


def test_a_folder_that_is_there_is_not_replaced(trained_run, exported_run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    command = ["export", "--ckpt_path", str(trained_run / "best.ckpt"), "--output"]
    assert main([*command, str(tmp_path)]) == 1
    assert "exists and is not an empty folder" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
    assert main([*command, str(tmp_path / "new"), "--format", "tensorrt"]) == 2
    assert "expected onnx, got 'tensorrt'" in capsys.readouterr().err
    assert main(["export", "--ckpt_path", str(exported_run), "--output", str(tmp_path / "new")]) == 1
    assert "is an exported model already" in capsys.readouterr().err
    (tmp_path / "posts.txt").write_text("in Oslo\n", encoding="utf-8")
    assert main([*command, str(tmp_path / "posts.txt" / "new")]) == 1
    assert "posts.txt is not a folder; give another path" in capsys.readouterr().err
    for name in ("model.onnx", "config.json"):
        assert main(["tag", str(tmp_path / "posts.txt"), "--ckpt_path", str(exported_run / name)]) == 1
        assert f"of a model folder give the folder, {exported_run}" in capsys.readouterr().err
    posts = str(tmp_path / "posts.txt")
    assert main(["calibrate", posts, "--ckpt_path", str(exported_run), "--output", str(tmp_path / "new")]) == 1
    assert "is an exported model; calibrate the checkpoint, then export" in capsys.readouterr().err
    assert main(["attend", posts, "--ckpt_path", str(exported_run), "--output", str(tmp_path / "new")]) == 1
    assert "is an exported model, which has no attention; give the checkpoint" in capsys.readouterr().err


def test_an_empty_folder_is_filled(trained_run, exported_run, tmp_path, monkeypatch):
    def write(model, folder, int8):
        shutil.copytree(exported_run, folder, dirs_exist_ok=True)

    monkeypatch.setattr("mner.exporting.onnx_export._write", write)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--ckpt_path", str(trained_run / "best.ckpt"), "--output", "."]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(each.name for each in exported_run.iterdir())
    assert main(["export", "--ckpt_path", str(trained_run / "best.ckpt"), "--output", "."]) == 1


def test_a_failed_export_leaves_nothing(make_model, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr(onnx_graph, "TOLERANCE", -1.0)
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: 1 / 0)
    with pytest.raises(ConfigurationError, match="an operation of the model cannot be exported to ONNX"):
        export_onnx(make_model(), tmp_path / "model")
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigurationError, match=r'exporting to ONNX needs onnxscript: pip install "mner\[onnx\]"'):
        export_onnx(make_model(), tmp_path / "model")


def test_a_model_that_predicts_in_python_is_refused(make_model, tmp_path):
    pytest.importorskip("onnx")
    from mner.fusion import TextOnly

    class OwnEntities(TextOnly):
        def entities(self, *arguments):
            return super().entities(*arguments)

    with pytest.raises(ConfigurationError, match="OwnEntities cannot be exported: its own entities is Python code"):
        export_onnx(make_model(OwnEntities), tmp_path / "model")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/etc/passwd", "reads weights from '/etc/passwd', expected model.onnx.data"),
        ("../model.onnx.data", "reads weights from '../model.onnx.data'"),
    ],
)
def test_weights_outside_the_folder_are_refused(exported_run, tmp_path, place, message):
    folder = shutil.copytree(exported_run, tmp_path / "model")

    def point_elsewhere(graph):
        from onnx import TensorProto
        from onnx.external_data_helper import set_external_data

        tensor = next(each for each in graph.graph.initializer if len(each.raw_data) > 100)
        set_external_data(tensor, place)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL

    change_graph(folder, point_elsewhere)
    with pytest.raises(CheckpointError, match=message), pytest.warns(UserWarning, match="no checksum"):
        mner.load(folder)


def test_damaged_and_foreign_files_are_refused(exported_run, tmp_path):
    folder = shutil.copytree(exported_run, tmp_path / "model")
    graph = folder / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="is not what was exported: its checksum differs"):
        mner.load(folder)
    graph.unlink()
    with pytest.raises(CheckpointError, match=r"has no model\.onnx"):
        mner.load(folder)
    graph.write_bytes(whole)

    def use_own_operator(model):
        model.graph.node[0].domain = "evil"
        model.opset_import.add(domain="evil", version=1)

    change_graph(folder, use_own_operator)
    with pytest.raises(CheckpointError, match="cannot be run"), pytest.warns(UserWarning, match="no checksum"):
        mner.load(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["init_args"]["files"] = {"../model.onnx": "0"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"expected the files model\.onnx"):
        mner.load(folder)


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
import numpy as np, onnxruntime
from tokenizers import Tokenizer
sys.path.insert(0, "FOLDER")
from numpy_decoder import NumpyDecoder, character_ids

words = TEXT.split()
tokenizer = Tokenizer.from_file("FOLDER/tokenizer.json")
encoding = tokenizer.encode(words, is_pretokenized=True)
slots = [len(words) if word is None else word for word in encoding.word_ids]
ids = np.array([encoding.ids])
inputs = {
    "input_ids": ids,
    "attention_mask": np.ones_like(ids),
    "token_type_ids": np.zeros_like(ids),
    "word_slots": np.array([slots]),
    "word_mask": np.ones((1, len(words)), bool),
    "post_of_row": np.zeros(1, np.int64),
    "first_row": np.zeros(1, np.int64),
    "characters": character_ids(words),
}
session = onnxruntime.InferenceSession("FOLDER/model.onnx")
names = [each.name for each in session.get_inputs()]
(emissions,) = session.run(["emissions"], {name: inputs[name] for name in names})
for entity in NumpyDecoder("FOLDER/decoder.npz").entities(emissions[0]):
    print(entity.type, *words[entity.start : entity.end], round(entity.confidence, 4))
"""


def test_a_program_without_torch(exported_run, trained_run):
    code = WITHOUT_TORCH.replace("FOLDER", str(exported_run)).replace("TEXT", repr(TEXTS[0]))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert not run.returncode, run.stderr
    expected = mner.load(trained_run / "best.ckpt").predict(TEXTS[0].split())
    assert run.stdout.splitlines() == [f"{each.type} {each.text} {round(each.confidence, 4)}" for each in expected]
