"""What is released: a wheel built from the sdist has every file of the package, and works where it is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]  # of the checkout; what is imported may be installed
PACKAGE = ROOT / "mner"
BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, f'build_{sys.argv[1]}')(sys.argv[2])"


def run(*command, **options):
    """Run a command that must succeed, without the checkout on the import path; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that is built from the sdist that is built from a copy of the files that the Dockerfile copies."""
    folder = tmp_path_factory.mktemp("release")
    checkout = folder / "checkout"
    shutil.copytree(PACKAGE, checkout / "mner", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    run(sys.executable, "-c", BUILD, "sdist", str(folder), cwd=checkout)
    (sdist,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(sdist, folder)
    run(sys.executable, "-c", BUILD, "wheel", str(folder), cwd=folder / sdist.name.removesuffix(".tar.gz"))
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_every_file_of_the_package(wheel):
    expected = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    found = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("mner/")}
    assert found == {name for name in expected if "__pycache__" not in name}


def test_the_installed_command_works(wheel, tmp_path):
    venv.create(tmp_path / "venv", symlinks=True)
    base = {"base": str(tmp_path / "venv")}
    bin_, site = (Path(sysconfig.get_path(name, "posix_prefix", base)) for name in ("scripts", "purelib"))
    run(
        sys.executable, "-m", "pip", "--python", str(bin_ / "python"), "install", "-q", "--no-deps", "--no-index", wheel
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    script = "import mner; print(mner.__file__); print(mner.__version__)"
    file, version = run(bin_ / "python", "-c", script, cwd=tmp_path).splitlines()
    assert Path(file).is_relative_to(site)
    assert run(bin_ / "mner", "--version", cwd=tmp_path).split()[-1] == version
    assert "quickstart" in run(bin_ / "mner", "configs", cwd=tmp_path)
    assert "--trainer.max_epochs" in run(bin_ / "mner", "fit", "--help", cwd=tmp_path)
