"""What a scoring leaves agrees with seqeval, is in the data set's order, and is complete from several processes."""

import io
import json
import shutil

import pytest
import seqeval.metrics
from pytorch_lightning import Callback
from rich.console import Console
from seqeval.scheme import IOB2
from torch.utils.data import DataLoader

import mner
from mner.callbacks.predictions_writer import PredictionsWriter, score_table
from mner.data import PostFiles, Twitter2017
from mner.errors import DataError
from mner.labels import tags_of
from mner.predictions import read_predictions

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def model(trained_run):
    return mner.load_model(trained_run / "best.ckpt")


@pytest.fixture
def disputed_folder(shared_twitter_folder, tmp_path):
    """The data set with test tags that the model will not agree with, some of them stray."""
    folder = tmp_path / "disputed"
    shutil.copytree(shared_twitter_folder, folder)
    text = (folder / "test.txt").read_text(encoding="utf-8")
    text = text.replace("Kevin\tB-PER", "Kevin\tI-PER").replace("Nike\tB-ORG", "Nike\tO")
    (folder / "test.txt").write_text(text.replace("loud\tO", "loud\tB-MISC"), encoding="utf-8")
    return folder


def assert_metrics_are_seqevals(folder):
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    predictions = read_predictions(folder / "predictions.jsonl")
    gold = [list(prediction.post.tags) for prediction in predictions]
    found = [tags_of(prediction.entities, len(prediction.post.words)) for prediction in predictions]
    for suffix, options in (("", {}), ("_strict", {"mode": "strict", "scheme": IOB2})):
        report = seqeval.metrics.classification_report(gold, found, output_dict=True, zero_division=0, **options)
        for key, name in (("micro avg", ""), *((kind, f"_{kind}") for kind in ("PER", "LOC", "ORG", "MISC"))):
            expected = report.get(key, dict.fromkeys(("f1-score", "precision", "recall", "support"), 0))
            assert metrics[f"f1{name}{suffix}"] == pytest.approx(expected["f1-score"])
            assert metrics[f"precision{name}{suffix}"] == pytest.approx(expected["precision"])
            assert metrics[f"recall{name}{suffix}"] == pytest.approx(expected["recall"])
            assert metrics[f"support{name}{suffix}"] == expected["support"]
        assert metrics[f"macro_f1{suffix}"] == pytest.approx(report["macro avg"]["f1-score"])
    return metrics


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_scores_are_seqevals_on_the_predictions(model, make_trainer, disputed_folder, tmp_path, capsys, batch_size):
    data = Twitter2017(disputed_folder, batch_size=batch_size)
    make_trainer(callbacks=[PredictionsWriter(tmp_path / "results")]).test(
        model, data.using(model.preprocessor), verbose=False
    )
    metrics = assert_metrics_are_seqevals(tmp_path / "results")
    assert 0 < metrics["f1_strict"] < metrics["f1"] < 1
    assert (metrics["split"], metrics["posts"]) == ("test", 5)
    ids = [prediction.post.id for prediction in read_predictions(tmp_path / "results" / "predictions.jsonl")]
    assert ids == [post.id for post in data.posts("test")]
    table = capsys.readouterr().out
    assert f"{100 * metrics['f1']:.2f}" in table
    assert f"{100 * metrics['f1_strict']:.2f}" in table


def test_validation_and_prediction_leave_results_too(model, make_trainer, shared_twitter_folder, tmp_path):
    data = Twitter2017(shared_twitter_folder, batch_size=2).using(model.preprocessor)
    for name, split in (("validate", "valid"), ("predict", "test")):
        trainer = make_trainer(callbacks=[PredictionsWriter(tmp_path / name)])
        returned = getattr(trainer, name)(model, datamodule=data)
        predictions = read_predictions(tmp_path / name / "predictions.jsonl")
        assert [prediction.post.id for prediction in predictions] == [post.id for post in data.posts(split)]
        assert all(entity.confidence is not None for prediction in predictions for entity in prediction.entities)
    longest_first = sorted(predictions, key=lambda prediction: -len(prediction.post.words))
    assert [[entity.span for entity in entities] for batch in returned for entities in batch] == [
        [entity.span for entity in prediction.entities] for prediction in longest_first
    ]
    assert_metrics_are_seqevals(tmp_path / "validate")
    assert not (tmp_path / "predict" / "metrics.json").exists()


def test_a_training_leaves_no_results_of_its_validations(model, make_trainer, shared_twitter_folder, tmp_path):
    trainer = make_trainer(
        max_epochs=1, callbacks=[PredictionsWriter(tmp_path / "results")], enable_checkpointing=False
    )
    trainer.fit(model.train(), Twitter2017(shared_twitter_folder).using(model.preprocessor))
    assert not (tmp_path / "results").exists()


def test_loaders_without_a_data_module(model, make_trainer, sample_posts, tmp_path):
    loader = DataLoader(sample_posts, batch_size=2, collate_fn=model.preprocessor)
    make_trainer(callbacks=[PredictionsWriter(tmp_path / "results")]).test(model, loader, verbose=False)
    predictions = read_predictions(tmp_path / "results" / "predictions.jsonl")
    assert [prediction.post.id for prediction in predictions] == [post.id for post in sample_posts]


def post_lines(path, *, tagged, untagged=0):
    records = [{"id": str(index), "tokens": ["Oslo"], "label": ["B-LOC"]} for index in range(tagged)]
    records += [{"id": f"untagged_{index}", "tokens": ["Oslo"]} for index in range(untagged)]
    path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return path


def test_posts_without_tags_are_predicted_but_not_scored(model, make_trainer, tmp_path):
    train = post_lines(tmp_path / "train.jsonl", tagged=2)
    data = PostFiles(train=train, valid=train, test=post_lines(tmp_path / "test.jsonl", tagged=0, untagged=3))
    make_trainer(callbacks=[PredictionsWriter(tmp_path / "results")]).test(
        model, data.using(model.preprocessor), verbose=False
    )
    assert len(read_predictions(tmp_path / "results" / "predictions.jsonl")) == 3
    assert not (tmp_path / "results" / "metrics.json").exists()


def test_posts_of_which_some_have_no_tags_are_not_scored(model, make_trainer, tmp_path):
    train = post_lines(tmp_path / "train.jsonl", tagged=2)
    data = PostFiles(train=train, valid=train, test=post_lines(tmp_path / "test.jsonl", tagged=2, untagged=1))
    trainer = make_trainer(callbacks=[PredictionsWriter(tmp_path / "results")])
    data.preprocessor = model.preprocessor
    with pytest.raises(DataError, match=r"1 of 3 test posts have no annotation: untagged_0; .* mner tag"):
        trainer.test(model, data, verbose=False)
    trainer.predict(model, data)
    assert len(read_predictions(tmp_path / "results" / "predictions.jsonl")) == 3


def test_the_table_gives_percents_a_type_and_overall():
    metrics = {"f1": 0.5, "f1_strict": 0.25, "precision": 0.75, "recall": 0.375, "support": 8.0, "f1_PER": 1.0}
    first, *columns = score_table(metrics, ["PER"], "8 posts").columns
    rows = dict(zip(first.cells, zip(*(column.cells for column in columns), strict=True), strict=True))
    assert rows["overall (micro)"] == ("75.00", "37.50", "50.00", "25.00", "8")
    assert rows["PER"] == ("", "", "100.00", "", "")


@pytest.mark.slow
def test_two_processes_leave_what_one_does(model, make_trainer, disputed_folder, tmp_path):
    for name, settings in (("one", {}), ("two", {"devices": 2, "strategy": "ddp_fork"})):
        data = Twitter2017(disputed_folder, batch_size=2)
        trainer = make_trainer(callbacks=[PredictionsWriter(tmp_path / name)], **settings)
        trainer.test(model, data.using(model.preprocessor), verbose=False)
    one, two = ((tmp_path / name) for name in ("one", "two"))
    assert (one / "predictions.jsonl").read_bytes() == (two / "predictions.jsonl").read_bytes()
    assert json.loads((one / "metrics.json").read_bytes()) == json.loads((two / "metrics.json").read_bytes())


def test_names_are_no_markup_of_the_table():
    console = Console(file=io.StringIO(), width=100)
    console.print(score_table({"f1_[red]X": 1.0}, ["[red]X"], "1 post"))
    assert "[red]X" in console.file.getvalue()


class FailsOnce(Callback):
    """Ends the first scoring after its second batch."""

    failed = False

    def fail(self, batch_idx):
        if not self.failed and batch_idx == 1:
            self.failed = True
            raise RuntimeError("out of memory")

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.fail(batch_idx)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        self.fail(batch_idx)


@pytest.mark.parametrize("stage", ["test", "validate"])
def test_a_scoring_that_failed_does_not_count_in_the_next(model, make_trainer, disputed_folder, tmp_path, stage):
    data = Twitter2017(disputed_folder, batch_size=2).using(model.preprocessor)
    folder = tmp_path / "results"
    trainer = make_trainer(callbacks=[PredictionsWriter(folder), FailsOnce()])
    with pytest.raises(RuntimeError, match="out of memory"):
        getattr(trainer, stage)(model, data, verbose=False)
    getattr(trainer, stage)(model, data, verbose=False)
    assert len(read_predictions(folder / "predictions.jsonl")) == 5
    assert_metrics_are_seqevals(folder)
