"""Files that are not checkpoints, or damaged ones: one line each, whatever is in them, and nothing executed."""

import contextlib
import os
import pickle
import random
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from torch import nn

from mner.callbacks import AtomicCheckpointIO
from mner.checkpoint_file import load_checkpoint
from mner.checkpoints import SelfContained
from mner.checksum import KEY, checksum, seal
from mner.errors import CheckpointError
from mner.git_lfs import BEGINNING


class Tiny(SelfContained):
    def __init__(self, size: int = 3, words: list[str] | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.norm = nn.BatchNorm1d(size)

    def training_step(self, batch, batch_idx):
        return self.linear(batch).sum()


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A checkpoint of a few kilobytes."""
    folder = tmp_path_factory.mktemp("honest")
    torch.manual_seed(0)
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", default_root_dir=folder)
    trainer.strategy.connect(Tiny(words=["a", "b"]))
    trainer.save_checkpoint(folder / "tiny.ckpt")
    return folder / "tiny.ckpt"


def same(model, honest):
    weights = torch.load(honest, weights_only=True)["state_dict"]
    return all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())


def refused(path):
    """The complaint, which is one short printable line."""
    with pytest.raises(CheckpointError) as caught:
        Tiny.load_from_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 1000
    return message


def test_an_honest_checkpoint_loads(honest):
    assert same(Tiny.load_from_checkpoint(honest), honest)


def test_a_flipped_byte_is_noticed_wherever_it_is(honest, tmp_path):
    """At every place that is read, and at others where it does no harm."""
    content = honest.read_bytes()
    path = tmp_path / "flipped.ckpt"
    caught = 0
    for position in random.Random(0).sample(range(len(content)), 400):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert same(Tiny.load_from_checkpoint(path), honest), position
        except CheckpointError:
            caught += 1
    assert caught > 100


def test_a_flipped_byte_of_a_weight_is_noticed(honest, tmp_path):
    weight = torch.load(honest, weights_only=True)["state_dict"]["linear.weight"].numpy().tobytes()
    content = bytearray(honest.read_bytes())
    content[content.index(weight) + 5] ^= 1
    (tmp_path / "rotten.ckpt").write_bytes(content)
    assert "is damaged" in refused(tmp_path / "rotten.ckpt")


@pytest.mark.parametrize("seed", range(40))
def test_mutations(honest, tmp_path, seed):
    """Bytes deleted, repeated, zeroed, exchanged, several at once."""
    pick = random.Random(seed)
    content = bytearray(honest.read_bytes())
    for _ in range(pick.randint(1, 5)):
        start, length = pick.randrange(len(content)), pick.choice([1, 2, 7, 64, 1000])
        kind = pick.choice(["delete", "repeat", "zero", "random"])
        part = content[start : start + length]
        if kind == "delete":
            del content[start : start + length]
        elif kind == "repeat":
            content[start:start] = part
        else:
            content[start : start + len(part)] = bytes(len(part)) if kind == "zero" else pick.randbytes(len(part))
    (tmp_path / "mutated.ckpt").write_bytes(content)
    with contextlib.suppress(CheckpointError):
        assert same(Tiny.load_from_checkpoint(tmp_path / "mutated.ckpt"), honest)


@pytest.mark.parametrize("kept", [0, 1, 4, 10, 0.1, 0.5, 0.99, -1])
def test_a_truncated_file(honest, tmp_path, kept):
    content = honest.read_bytes()
    (tmp_path / "cut.ckpt").write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    assert "is not a checkpoint, or is truncated; copy it again" in refused(tmp_path / "cut.ckpt")


class Malicious:
    def __reduce__(self):
        return pytest.fail, ("code was run",)


class ImportsAntigravity:
    def __reduce__(self):
        return __import__, ("antigravity",)


HOSTILE_OBJECTS = {
    "a reducer": Malicious(),
    "a reducer that imports": ImportsAntigravity(),
    "a reducer among the weights": {"hyper_parameters": {"_class_path": "a.B"}, "state_dict": {"a": Malicious()}},
    "a pickled module": nn.Linear(2, 2),
    "a numpy scalar": {"hyper_parameters": {"_class_path": "a.B", "lr": np.float64(1)}, "state_dict": {}},
    "a set": {"hyper_parameters": {"_class_path": "a.B", "sizes": {1}}, "state_dict": {}},
    "bytes": {"hyper_parameters": {"_class_path": "a.B", "sizes": b"1"}, "state_dict": {}},
    "a tensor": torch.zeros(2),
    "a list": [1],
    "nothing": None,
    "a number": 3,
    "weights without arguments": {"state_dict": {"a": torch.zeros(2)}},
    "arguments without weights": {"hyper_parameters": {"_class_path": "a.B"}},
    "arguments in a list": {"hyper_parameters": ["_class_path"], "state_dict": {}},
}


@pytest.mark.parametrize("name", HOSTILE_OBJECTS)
def test_objects_that_are_no_checkpoint(tmp_path, name):
    torch.save(HOSTILE_OBJECTS[name], tmp_path / "object.ckpt")
    assert "checkpoint" in refused(tmp_path / "object.ckpt")
    assert "weights_only" not in refused(tmp_path / "object.ckpt")


def test_a_bare_pickle_an_old_format_and_foreign_files(honest, tmp_path):
    path = tmp_path / "foreign.ckpt"
    for content in (pickle.dumps(Malicious()), b"", b"\x80", b"{}", b"PK\x03\x04", b"\x00" * 5000):
        path.write_bytes(content)
        assert "is not a checkpoint" in refused(path)
    torch.save(Malicious(), path, _use_new_zipfile_serialization=False)
    refused(path)
    path.write_bytes(path.read_bytes() + honest.read_bytes())  # a pickle to torch, an archive to Python
    refused(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, path)
    refused(path)
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    refused(path)


def rewritten(honest, path, change=lambda name, content: content, compression=zipfile.ZIP_STORED, further=()):
    with zipfile.ZipFile(honest) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
        for name, content in further:
            new.writestr(name, content)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_are_not_as_torch_writes_them(honest, tmp_path):
    path = tmp_path / "archive.ckpt"
    rewritten(honest, path)
    rewritten(honest, path, compression=zipfile.ZIP_DEFLATED, further=[("tiny/bomb", b"\0" * 50_000_000)])
    assert path.stat().st_size < 1_000_000
    assert "its parts are compressed" in refused(path)
    first = zipfile.ZipFile(honest).namelist()[0]
    rewritten(honest, path, further=[(first, b"another")])
    assert "two of its parts have the same name" in refused(path)
    rewritten(honest, path, change=lambda name, content: b"" if "/data/" in name else content)
    refused(path)


def test_no_file_at_all(tmp_path):
    os.mkfifo(tmp_path / "pipe.ckpt")
    (tmp_path / "loop.ckpt").symlink_to("loop.ckpt")
    for path in (tmp_path, tmp_path / "none.ckpt", tmp_path / "pipe.ckpt", tmp_path / "loop.ckpt", "/dev/zero"):
        assert "no checkpoint at" in refused(path)
    (tmp_path / "best.ckpt").touch()
    assert refused(tmp_path).endswith(f"of a run folder give the checkpoint, {tmp_path / 'best.ckpt'}")
    for path in ("x" * 300, "a\0b"):
        assert "no checkpoint at" in refused(path)
    for path in (3, None, b"tiny.ckpt", ["tiny.ckpt"]):
        assert "expected the path of a checkpoint, got" in refused(path)


def bomb(depth=60):
    value = ["a", "b"]
    for _ in range(depth):
        value = [value, value]
    return value


def deep(depth=20_000):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def cycle():
    value = {}
    value["value"] = value
    return value


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"words": bomb()}, "nested too deep"),
        ({"words": [0] * 3_000}, "too many"),
        ({"words": ["a" * 100] * 20}, "more than 1,500 characters"),
        ({"words": [{"a" * 100: 1}] * 14 + ["a" * 101]}, "more than 1,500 characters"),
        ({"_class_path": "a" * 1000 + ".B"}, "dotted path of a class"),
        ({"words": cycle()}, "nested too deep"),
        ({"size": 10**50}, "too large"),
        ({"size": torch.zeros(1)}, "contain a Tensor"),
        ({"size": torch.float32}, "contain a dtype"),
        ({"size": (1, 2)}, "contain a tuple"),
        ({"words": OrderedDict(a=1)}, "contain a OrderedDict"),
        ({3: 4}, "not a string"),
        ({"_class_path": None}, "dotted path of a class"),
        ({"size": 10**12}, "cannot be built"),
        ({"size": 10**6}, "describe a larger model"),
        ({"size": 10**30}, "cannot be built"),
        ({"size": -1}, "cannot be built"),
        ({"size": float("nan")}, "is nan, under 'size'"),
        ({"words": [{"a": [0.5, float("-inf")]}]}, "is -inf, under 'words.0.a.1'"),
        ({"size": "3"}, "cannot be built"),
        ({"size": None}, "cannot be built"),
        ({"size": 4}, "do not fit"),
        ({"colour": "red"}, "cannot be built"),
        ({"self": 1}, "cannot be built"),
        ({"words": ["c"]}, "its checksum differs"),
    ],
)
def test_hostile_arguments(honest, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.setattr("mner.checkpoint_file.MAX_VALUES", 2_000)
    monkeypatch.setattr("mner.checkpoint_file.MAX_CHARACTERS", 1_500)
    checkpoint = torch.load(honest, weights_only=True)
    checkpoint["hyper_parameters"] |= arguments
    torch.save(checkpoint, tmp_path / "hostile.ckpt")
    assert complaint in refused(tmp_path / "hostile.ckpt")


def test_arguments_nested_deeper_than_python_recurses(honest, tmp_path):
    checkpoint = torch.load(honest, weights_only=True)
    content = pickle.PROTO + b"\x02" + b"]" * 20_000 + b"a" * 19_999 + b"."
    torch.save(checkpoint, tmp_path / "deep.ckpt")
    rewritten(tmp_path / "deep.ckpt", tmp_path / "deeper.ckpt", lambda n, c: content if n.endswith("data.pkl") else c)
    assert "not a checkpoint of mner" in refused(tmp_path / "deeper.ckpt")


@pytest.mark.parametrize(
    ("name", "weight", "complaint"),
    [
        ("linear.bias", torch.full((3,), float("nan")), "is NaN or infinite"),
        ("linear.bias", torch.tensor([0, float("inf"), 0]), "is NaN or infinite"),
        ("linear.bias", torch.tensor([0, 1e300, 0], dtype=torch.float64), "is NaN or infinite"),
        ("norm.running_var", torch.full((3,), float("nan")), "is NaN or infinite"),
        ("linear.bias", torch.zeros(4), r"expected (3,), got (4,)"),
        ("linear.bias", torch.zeros(3, dtype=torch.long), "got (3,) torch.int64"),
        ("norm.num_batches_tracked", torch.tensor(0.0), "expected () torch.int64"),
        ("linear.bias", torch.zeros(1).expand(10**12), "more elements than the file contains"),
        ("linear.bias", torch.zeros(3).to_sparse(), "cannot be read|not an ordinary tensor"),
        ("linear.bias", torch.empty(3, device="meta"), "not an ordinary tensor"),
        ("linear.bias", torch.zeros(3, dtype=torch.complex64), "not an ordinary tensor"),
        ("linear.bias", torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8), "not an ordinary tensor"),
        ("linear.bias", torch._neg_view(torch.zeros(3)), "not an ordinary tensor"),
        ("linear.bias", torch.zeros(3).to(torch.float8_e4m3fn), "not an ordinary tensor"),
        ("linear.weight", torch.zeros(5).as_strided((3, 3), (1, 1)), "more elements than the file contains"),
        ("a" * 2000, torch.zeros(3), "has a name of 2,000 characters"),
        ("linear.bias", torch.zeros((0,) * 60), "got (0, 0"),
        ("linear.bias", [0.0, 0.0, 0.0], "contains a list"),
        ("linear.bias", None, "contains a NoneType"),
        (3, torch.zeros(3), "contains a Tensor under '3'"),
        ("other", torch.zeros(3), "other, expected none"),
        ("linear.bias", torch.tensor([1.0, 2.0, 3.0]), "its checksum differs"),
    ],
)
def test_hostile_weights(honest, tmp_path, name, weight, complaint):
    checkpoint = torch.load(honest, weights_only=True)
    checkpoint["state_dict"][name] = weight
    torch.save(checkpoint, tmp_path / "hostile.ckpt")
    message = refused(tmp_path / "hostile.ckpt")
    assert any(each in message for each in complaint.split("|"))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor(honest, tmp_path):
    checkpoint = torch.load(honest, weights_only=True)
    checkpoint["state_dict"]["linear.bias"] = torch.nested.nested_tensor([torch.zeros(1), torch.zeros(2)])
    torch.save(checkpoint, tmp_path / "nested.ckpt")
    assert "the weight linear.bias is not an ordinary tensor" in refused(tmp_path / "nested.ckpt")


def test_more_operations_or_weights_than_a_model_has(honest, tmp_path, monkeypatch):
    """Each takes torch microseconds; a file has room for 100 million."""
    monkeypatch.setattr("mner.checkpoint_file.MAX_OPCODES", 5_000)
    path = tmp_path / "flood.ckpt"
    flood = pickle.PROTO + b"\x02" + b"]" * 5_000 + b"."
    rewritten(honest, path, lambda name, content: flood if name.endswith("data.pkl") else content)
    assert "its pickle has more than 5,000 operations" in refused(path)
    monkeypatch.setattr("mner.checkpoint_file.MAX_WEIGHTS", 10)
    checkpoint = torch.load(honest, weights_only=True)
    empty = torch.zeros(0)
    torch.save(checkpoint | {"state_dict": {str(index): empty for index in range(11)}}, path)
    assert "it has 11 weights" in refused(path)


def test_a_long_tokenizer_is_few_operations(honest, tmp_path, monkeypatch):
    monkeypatch.setattr("mner.checkpoint_file.MAX_OPCODES", 5_000)
    checkpoint = torch.load(honest, weights_only=True)
    checkpoint["hyper_parameters"]["words"] = ["a" * 10_000]
    seal(checkpoint)
    torch.save(checkpoint, tmp_path / "long.ckpt")
    assert same(Tiny.load_from_checkpoint(tmp_path / "long.ckpt"), honest)


def test_a_state_dict_of_another_type(honest, tmp_path):
    checkpoint = torch.load(honest, weights_only=True)
    for weights in ([], None, 3, "weights", torch.zeros(2)):
        torch.save(checkpoint | {"state_dict": weights}, tmp_path / "hostile.ckpt")
        assert "its state_dict is a" in refused(tmp_path / "hostile.ckpt")


def test_the_checksum_covers_arguments_names_types_shapes_and_bytes(honest):
    checkpoint = torch.load(honest, weights_only=True)
    whole = checksum(checkpoint)
    assert checkpoint[KEY] == whole
    weights, arguments = checkpoint["state_dict"], checkpoint["hyper_parameters"]
    others = [
        checkpoint | {"hyper_parameters": arguments | {"size": 4}},
        checkpoint | {"state_dict": weights | {"linear.bias": weights["linear.bias"] + 1}},
        checkpoint | {"state_dict": weights | {"linear.bias": weights["linear.bias"].double()}},
        checkpoint | {"state_dict": weights | {"linear.weight": weights["linear.weight"].reshape(1, 9)}},
        checkpoint | {"state_dict": {f"_{name}": weight for name, weight in weights.items()}},
    ]
    assert len({whole, *map(checksum, others)}) == 6
    turned = {name: weight.T.contiguous().T for name, weight in reversed(weights.items())}
    assert checksum(checkpoint | {"state_dict": turned}) == whole


def test_a_checkpoint_without_a_checksum_is_reported(honest, tmp_path):
    checkpoint = torch.load(honest, weights_only=True)
    del checkpoint[KEY]
    torch.save(checkpoint, tmp_path / "unsealed.ckpt")
    with pytest.warns(UserWarning, match="no checksum, so damage cannot be detected.* call mner.checksum.seal"):
        Tiny.load_from_checkpoint(tmp_path / "unsealed.ckpt")


def test_what_resumes_a_training_is_read_undamaged(honest, tmp_path):
    content = bytearray(honest.read_bytes())
    assert AtomicCheckpointIO().load_checkpoint(honest, weights_only=True).keys() >= {"state_dict", KEY}
    weight = torch.load(honest, weights_only=True)["state_dict"]["linear.weight"].numpy().tobytes()
    content[content.index(weight) + 2] ^= 1
    (tmp_path / "damaged.ckpt").write_bytes(content)
    for path in (tmp_path / "damaged.ckpt", tmp_path / "none.ckpt"):
        with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
            AtomicCheckpointIO().load_checkpoint(path)


def test_a_checkpoint_that_is_changed_on_purpose_is_sealed_again(honest, tmp_path):
    checkpoint = torch.load(honest, weights_only=True)
    checkpoint["state_dict"]["linear.bias"].zero_()
    seal(checkpoint)
    torch.save(checkpoint, tmp_path / "changed.ckpt")
    assert not Tiny.load_from_checkpoint(tmp_path / "changed.ckpt").linear.bias.any()
    assert load_checkpoint(tmp_path / "changed.ckpt")[KEY] != load_checkpoint(honest)[KEY]


def test_a_file_that_git_lfs_did_not_fetch(tmp_path):
    (tmp_path / "best.ckpt").write_bytes(BEGINNING + b"v1\noid sha256:0\nsize 1\n")
    assert "best.ckpt is a Git LFS pointer, not the file itself; fetch it with" in refused(tmp_path / "best.ckpt")
