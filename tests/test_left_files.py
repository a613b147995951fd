"""A run of the tests that leaves a file in the working directory fails, and names it."""

from types import SimpleNamespace

import left_files
import pytest


@pytest.mark.parametrize("place", ["checkout", "elsewhere"])
def test_a_file_that_is_left_fails_the_run(tmp_path, place):
    for name in ("checkout", "elsewhere"):
        (tmp_path / name / ".cache").mkdir(parents=True)
        (tmp_path / name / "kept").touch()
    config = SimpleNamespace(
        rootpath=tmp_path / "checkout",
        invocation_params=SimpleNamespace(dir=tmp_path / "elsewhere"),
        stash=pytest.Stash(),
    )
    session = SimpleNamespace(config=config, exitstatus=pytest.ExitCode.OK)
    lines = []
    reporter = SimpleNamespace(section=lambda title, **_: lines.append(title), write_line=lines.append)
    left_files.pytest_sessionstart(session)
    (tmp_path / place / ".cache" / "of_a_tool").touch()
    left_files.pytest_sessionfinish(session)
    left_files.pytest_terminal_summary(reporter, config)
    assert (session.exitstatus, lines) == (pytest.ExitCode.OK, [])
    (tmp_path / place / "runs" / "0").mkdir(parents=True)
    left_files.pytest_sessionfinish(session)
    left_files.pytest_terminal_summary(reporter, config)
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
    assert lines[1].splitlines() == [str(tmp_path / place / "runs"), str(tmp_path / place / "runs" / "0")]
