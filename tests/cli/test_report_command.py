"""``mner report``: files that stand alone, twice the same, and errors that say what to do."""

import base64
import io
import json
import re

import pytest
from experiment_results import make_posts, write_experiment
from PIL import Image

pytest.importorskip("matplotlib")
pytest.importorskip("statsmodels")

from mner.cli import main
from mner.data.writers import write_json_lines


@pytest.fixture
def experiment_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    posts = make_posts(100)
    write_experiment(
        tmp_path / "grid",
        {"1.0": 0.6, "3.0": 0.9},
        posts,
        fractions=(0.5, 1.0),
        ablations={"3.0": {"blank_captions": 0.5}},
    )
    write_json_lines(make_posts(60, seed=1), tmp_path / "train.jsonl")
    return tmp_path


def report(*words):
    return main(["report", *words, "--rounds", "100"])


def test_a_report_stands_alone(experiment_folder, capsys):
    assert report("grid", "--train", "train.jsonl", "--output", "out", "--title", "Captions <& more>") == 0
    printed = capsys.readouterr().out
    assert "“3.0” is " in printed
    assert printed.endswith("report: out/report.html\n")
    html = (experiment_folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Captions &lt;&amp; more&gt;</h1>" in html
    linked = re.findall(r'(?:src|href)="(?!#)([^"]*)"', html)
    assert linked == [f"posts_{model}_on_twitter2017_seed_1.html" for model in ("1.0", "3.0")]
    assert all("Kevin Durant" in (experiment_folder / "out" / name).read_text(encoding="utf-8") for name in linked)
    assert "url(http" not in html
    assert html.count("<svg") == 4
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)
    markdown = (experiment_folder / "out" / "report.md").read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([^)]+)\)", markdown):
        assert (experiment_folder / "out" / name).stat().st_size > 1000
    numbers = json.loads((experiment_folder / "out" / "report.json").read_text(encoding="utf-8"))
    shown = f"{100 * numbers['scores'][0]['f1']['mean']:.2f} ± {100 * numbers['scores'][0]['f1']['deviation']:.2f}"
    assert shown in markdown
    assert shown in html
    assert "## Seen and ambiguous entities" in markdown


def test_examples_of_errors_have_the_images(experiment_folder):
    Image.new("RGB", (900, 600), "red").save(experiment_folder / "a.jpg")
    assert report("grid", "--images", "twitter2017=.", "--output", "out") == 0
    html = (experiment_folder / "out" / "report.html").read_text(encoding="utf-8")
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    shown = re.findall(r'<article class="mner-post ([^"]+)"', html)
    assert 0 < len(images) <= len(shown) <= 2 * 3 * 5  # models, examples, kinds of errors
    assert all("wrong_type" in kinds for kinds in shown)
    assert max(Image.open(io.BytesIO(base64.b64decode(images[0]))).size) <= 400
    assert "wrong type: " in (experiment_folder / "out" / "report.md").read_text(encoding="utf-8")


def test_a_report_is_twice_the_same(experiment_folder):
    for name in ("one", "two"):
        assert report("grid/results.jsonl", "--output", name) == 0
    written = [path for path in (experiment_folder / "one").rglob("*") if path.is_file()]
    assert {path.suffix for path in written} == {".html", ".md", ".json", ".png", ".svg", ".pdf", ".csv", ".tex"}
    for path in written:
        other = experiment_folder / "two" / path.relative_to(experiment_folder / "one")
        assert path.read_bytes() == other.read_bytes(), path.name


def test_predictions_without_an_experiment(experiment_folder):
    files = [f"{name}=grid/{name}/1.0/1/predictions.jsonl" for name in ("1.0", "3.0")]
    assert report(*files, "--output", "out", "--baseline", "3.0") == 0
    (row,) = json.loads((experiment_folder / "out" / "report.json").read_text(encoding="utf-8"))["comparisons"]
    assert (row["model"], row["baseline"]) == ("1.0", "3.0")
    assert row["difference"] < 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such file. Write it with mner experiment"),
        (["grid/1.0/1.0/1/predictions.jsonl"], "name their model: NAME=grid"),
        (["a=empty.jsonl"], "no predictions in the file"),
        (
            ["grid", "--train", "snap=train.jsonl"],
            "no result is on 'snap', of snap=train.jsonl; the results are on twitter2017",
        ),
        (["grid", "--images", "no"], "there is nothing at no; correct the path"),
        (["grid", "--baseline", "2.0"], "no model is called '2.0'"),
    ],
)
def test_what_cannot_be_reported(experiment_folder, capsys, words, said):
    (experiment_folder / "empty.jsonl").touch()
    assert report(*words, "--output", "out") == 1
    assert said in capsys.readouterr().err
