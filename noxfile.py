"""Test runs on other Python versions, dependency versions and machines: ``nox --list``."""

import os
import re
import tempfile
from itertools import chain
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]
FAST = "not slow and not gpu and not realdata"
OFFLINE = {"HF_HUB_OFFLINE": "1"}
AS_NOBODY = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]

nox.options.sessions = ["lint", "docs", "tests"]


@nox.session(python=["3.10", "3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """The fast tests, or those that the arguments select, with the newest dependencies."""
    session.install(".[test,offline]")
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs, env=OFFLINE)


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """The fast tests with the lowest versions that pyproject.toml allows."""
    constraints = Path(session.create_tmp(), "constraints.txt").resolve()
    extras = PROJECT["optional-dependencies"]
    tested = extras["test"][0].partition("[")[2].rstrip("]").split(",")  # mner[hdf5,...]
    requirements = [*PROJECT["dependencies"], *chain.from_iterable(extras[name] for name in tested)]
    constraints.write_text("\n".join(map(lowest_version, requirements)) + "\n", encoding="utf-8")
    session.install("--constraint", str(constraints), ".[test,offline]")
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def bare(session: nox.Session) -> None:
    """The fast tests that need no extra; the others are skipped."""
    session.install(".", *PROJECT["optional-dependencies"]["test"][1:])
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs, env=OFFLINE)


@nox.session(python="3.11")
def isolation(session: nox.Session) -> None:
    """The fast tests in random order, in two processes, in an unusual environment: see ``machine``."""
    session.install(".[test,offline]")
    session.run(*hostile(ROOT), *session.posargs, env=machine(), external=True)


@nox.session(python="3.11")
def stranger(session: nox.Session) -> None:
    """The tests of ``isolation`` as the user ``nobody``, from another directory and a read-only copy of the checkout.

    It needs root, and an interpreter and an environment that ``nobody`` can run: nothing in ``/root``. Of the same
    version, nox prefers the interpreter that runs itself.
    """
    if os.geteuid():
        session.error("only root can run the tests as another user")
    session.run(*AS_NOBODY, "python", "--version", external=True)
    session.install(".[test,offline]")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home, checkout = Path(folder, "home"), Path(folder, "checkout")
        home.mkdir(mode=0o777)
        home.chmod(0o777)
        session.run("git", "clone", "--quiet", str(ROOT), str(checkout), external=True)
        session.run("chmod", "-R", "a+rX,a-w", str(checkout), external=True)
        session.chdir(home)
        settings = {**machine(), "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(checkout)}
        session.run(*AS_NOBODY, *hostile(checkout), *session.posargs, env=settings, external=True)


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Ruff, mypy and the doctests."""
    session.install(".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pytest", "--doctest-modules", "mner", "-p", "no:cacheprovider", env=OFFLINE)


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """The documentation, without warnings."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build/html", env=OFFLINE)


def lowest_version(requirement: str) -> str:
    """``torch==2.4`` for ``torch>=2.4,<3``."""
    found = re.match(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)", requirement)
    if found is None:
        raise ValueError(f"no lower bound in {requirement!r}")
    return f"{found[1]}=={found[2]}"


def hostile(checkout: Path) -> list[str]:
    """The command that runs the fast tests of a checkout in random order and writes nothing into it."""
    options = ["-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers", "-m", FAST]
    command = ["python", "-m", "pytest", "-c", str(checkout / "pyproject.toml"), "--rootdir", str(checkout)]
    return ["sh", "-c", 'umask 077; exec "$@"', "sh", *command, *options, str(checkout / "tests")]


def machine() -> dict[str, str]:
    """The environment of a machine set up unlike most: ASCII only, fourteen hours ahead, no instructions after AVX2."""
    strict = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    processor = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    checked = {"PYTHONWARNDEFAULTENCODING": "1"}  # pyproject.toml makes errors of these warnings
    return {**OFFLINE, **strict, **processor, **checked, "LC_ALL": "C", "TZ": "Pacific/Kiritimati"}
