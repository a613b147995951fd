"""Results files: every value is of its type and range, or the line is named."""

import json

import pytest

from mner.analysis.results import read_results
from mner.errors import FormatError

RECORD = {"model": "m", "data": "d", "metrics": {"f1": 0.5}, "predictions": "p.jsonl"}


@pytest.fixture
def read(tmp_path):
    def read(*lines):
        path = tmp_path / "results.jsonl"
        path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
        return read_results(path)

    return read


def test_what_is_left_out_has_its_default(read, tmp_path):
    (result,) = read(RECORD)
    assert (result.seed, result.fraction, result.status, result.images) == (0, 1.0, "finished", None)
    assert result.predictions == tmp_path / "p.jsonl"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": ""}, "model to be a name"),
        ({"data": None}, "data to be a name"),
        ({"seed": 1.0}, "seed to be a whole number"),
        ({"fraction": 0}, "fraction to be above 0"),
        ({"status": "done"}, "status to be one of finished, failed"),
        ({"split": 1}, "split to be a name"),
        ({"version": ["x"]}, "version to be a name"),
        ({"train_posts": -5}, "train_posts to be a whole number"),
        ({"metrics": {"f1": 5}}, "F1 scores are numbers from 0 to 1"),
        ({"metrics": {"f1_strict": -0.1}}, "F1 scores are numbers from 0 to 1"),
        ({"images": []}, "images to be an object of the numbers named and used"),
        ({"images": {"named": 1}}, "named and used"),
        ({"images": {"named": 1, "used": 2}}, "named and used"),
        ({"predictions": ""}, "predictions to be a file name"),
        ({"predictions": ["p.jsonl"]}, "predictions to be a file name"),
        ({"predictions": None}, "the predictions of a finished result"),
        ({"ablations": {"": "p.jsonl"}}, "ablations to be an object of file names"),
        ({"ablations": {"x": 1}}, "ablations to be an object of file names"),
        ({"seconds": "x"}, "seconds to be a number"),
        ({"commands": "mner fit"}, "commands to be a list"),
        ({"error": 1}, "error to be a text"),
        ({"modle": "m"}, "expected no other names than model, .*, got 'modle'"),
    ],
)
def test_a_value_that_cannot_be_is_refused(read, change, said):
    with pytest.raises(FormatError, match=f"line 2: not a result: .*{said}"):
        read(RECORD, {**RECORD, **change})


@pytest.mark.parametrize(
    "line", [b"3", b"[]", b"", b"\xff", b'{"model": 1e999}', b'{"model": "a", "model": "b"}', b"{"]
)
def test_a_line_that_is_no_result_is_named(read, line):
    with pytest.raises(FormatError, match="line 2: not a result"):
        read(RECORD, line, RECORD)


def test_surrogates_in_names_are_repaired(read):
    assert read({**RECORD, "model": "m\ud83d"})[0].model == "m\ufffd"
