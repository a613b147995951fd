"""Published files are known by their content."""

import hashlib
import os
from pathlib import Path

import pytest

from mner.data.versions import fingerprint, identify


def test_line_ends_do_not_change_the_fingerprint(tmp_path):
    (tmp_path / "lf").write_bytes(b"a\tO\n")
    (tmp_path / "crlf").write_bytes(b"a\tO\r\n")
    assert fingerprint(tmp_path / "lf") == fingerprint(tmp_path / "crlf") == hashlib.md5(b"a\tO\n").hexdigest()
    assert identify(tmp_path / "lf") is None


@pytest.mark.realdata
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize("year", ["2015", "2017"])
def test_the_known_files(year, split):
    known = identify(Path(os.environ["MNER_DATA"]) / f"twitter{year}" / f"{split}.txt")
    assert known is not None
    assert (known.dataset, known.split) == (f"Twitter-{year}", split)
    assert str(known).startswith(f"Twitter-{year} {split}, ")
