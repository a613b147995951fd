"""Plugins are imported once, and one that fails is reported and stops no other."""

import warnings

import pytest

from mner.plugins import load_plugins


def test_plugins_are_imported_once_and_failures_reported(tmp_path, monkeypatch):
    information = tmp_path / "somebody-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(
        "[mner.plugins]\nbroken = broken_plugin\nworking = working_plugin\n", encoding="utf-8"
    )
    (tmp_path / "broken_plugin.py").write_text("import module_that_nobody_has", encoding="utf-8")
    (tmp_path / "working_plugin.py").write_text(
        f"open({str(tmp_path / 'imported')!r}, 'a').write('x')", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"'broken' \(broken_plugin\) cannot be loaded: ModuleNotFoundError"):
            failures = load_plugins()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert load_plugins() == failures
        assert failures.keys() == {"broken"}
        assert (tmp_path / "imported").read_text(encoding="utf-8") == "x"
    finally:
        load_plugins.cache_clear()
