"""A missing package of an extra is one error that names the extra."""

import sys

import pytest

from mner.analysis.glyphs import drawable
from mner.analysis.significance import holm
from mner.data.table_writers import to_data_frame, to_dataset, to_doc_bin, write_parquet
from mner.errors import ConfigurationError
from mner.extras import extra
from mner.posts import Post

POSTS = [Post("1", ("Oslo",))]


def test_the_extra_is_named():
    message = r'^a figure needs no_such_package: pip install "mner\[report\]"$'
    with pytest.raises(ConfigurationError, match=message), extra("report", "a figure"):
        import no_such_package.part  # noqa: F401


def test_what_is_installed_and_cannot_be_imported_says_why():
    message = r"^a figure: cannot import name 'no_such_name' .*; try pip install --upgrade \"mner\[report\]\"$"
    with pytest.raises(ConfigurationError, match=message), extra("report", "a figure"):
        from mner.errors import no_such_name  # noqa: F401


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), extra("report", "a figure"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("package", "name", "call"),
    [
        ("statsmodels.stats.multitest", "report", lambda folder: holm([0.1])),
        ("matplotlib.font_manager", "report", lambda folder: drawable("\u2665")),
        ("pandas", "report", lambda folder: to_data_frame(POSTS)),
        ("datasets", "tables", lambda folder: to_dataset(POSTS)),
        ("pyarrow", "tables", lambda folder: write_parquet(POSTS, folder / "posts.parquet")),
        ("spacy.tokens", "spacy", lambda folder: to_doc_bin(POSTS)),
    ],
)
def test_functions_of_the_python_api(package, name, call, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=rf'needs {package}.*: pip install "mner\[{name}\]"'):
        call(tmp_path)
    assert not list(tmp_path.iterdir())
