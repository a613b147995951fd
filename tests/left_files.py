"""Fails a run of the tests that leaves files in the checkout or in the working directory."""

import os
from pathlib import Path

import pytest

OWN = frozenset({"__pycache__", "node_modules", "_build", "build", "dist"})
"""Folders that tools write; hidden ones, such as ``.git`` and ``.pytest_cache``, are theirs, too."""
BEFORE, LEFT = pytest.StashKey[set[str]](), pytest.StashKey[list[str]]()


def files_in(*folders: Path) -> set[str]:
    """The files and folders that are not those of tools; by name only, since an editor may change one meanwhile."""
    found: set[str] = set()
    for top in folders:
        for folder, subfolders, files in os.walk(top):
            subfolders[:] = [
                name for name in subfolders if not (name.startswith(".") or name in OWN or name.endswith(".egg-info"))
            ]
            found.update(f"{folder}/{name}" for name in (*files, *subfolders))
    return found


def _folders(config: pytest.Config) -> list[Path]:
    return [config.rootpath, *({config.invocation_params.dir} - {config.rootpath})]


def pytest_sessionstart(session: pytest.Session) -> None:
    """List what is there, in the process that starts the others."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[BEFORE] = files_in(*_folders(session.config))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare; the run then fails, even if all tests passed."""
    before = session.config.stash.get(BEFORE, None)
    left = [] if before is None else sorted(files_in(*_folders(session.config)) - before)
    session.config.stash[LEFT] = left
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the files."""
    left = config.stash.get(LEFT, [])
    if left:
        terminalreporter.section("files that the tests left behind", red=True)
        terminalreporter.write_line("\n".join(left[:20]))
