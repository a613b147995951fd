"""A config in which an option is given twice is refused, with its line."""

import pytest

from mner.cli import main
from mner.cli.config_file import check_config
from mner.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("models: {m: {}}\ndata: {d: {}}\nmodels: {n: {}}\n", 3, "models"),
        ("models:\n  m: {configs: [a]}\n  m: {configs: [b]}\n", 3, "m"),
        ("x:\n- a: 1\n- b: 1\n  b: 2\n", 4, "b"),
        ("fraction_parts: {1.0: {}, 1.0: {}}\n", 1, "1.0"),
    ],
)
def test_a_key_that_is_given_twice_is_named(tmp_path, text, line, key):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"config\.yaml, line {line}: '{key}' is given twice"):
        check_config(path)


@pytest.mark.parametrize("text", ["", "3", "[1, 2]", "a: &x [*x]\nb: *x\n", "a:\n\tb", "\ufeffa: 1\n", "[" * 5000])
def test_any_other_text_is_left_to_the_parser(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    check_config(path)


@pytest.mark.parametrize("content", [b"\xff\xfea", b"a: \xe9"])
def test_a_config_that_is_not_text(tmp_path, content, capsys):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    assert main(["experiment", "--config", str(path), "--dry_run"]) != 0
    assert "config.yaml is not UTF-8 text" in capsys.readouterr().err
