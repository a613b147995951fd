"""A model that predicts boxes is scored on them where the posts have gold boxes."""

import json

import pytest
from torch.utils.data import DataLoader

from mner.callbacks.predictions_writer import PredictionsWriter
from mner.decoders.entities import EntityLists
from mner.fusion import TextOnly
from mner.posts import Entities, Entity, Post

pytestmark = pytest.mark.filterwarnings("ignore")

BOX = (0.0, 0.0, 0.5, 1.0)
POSTS = [
    Post("1", ("Ann", "in", "Oslo"), ("B-PER", "O", "B-LOC"), boxes={(0, 1): (BOX,)}),
    Post("2", ("Bo",), ("B-PER",), boxes={}),
    Post("3", ("Bo",), ("B-PER",)),
]


class Everywhere(TextOnly):
    """Finds a person at each first word, shown by the only candidate."""

    def candidate_boxes(self, image):
        return [[BOX]] * len(image.regions)

    def entities(self, batch, *_):
        return EntityLists([Entities([Entity("PER", 0, 1, boxes=(BOX,))]) for _ in batch.posts])


def test_boxes_are_scored_in_validation_and_test(make_model, make_trainer, tmp_path):
    model = make_model(cls=Everywhere)
    loader = DataLoader(POSTS, 2, collate_fn=model.preprocessor)
    trainer = make_trainer(max_epochs=1, callbacks=[PredictionsWriter(tmp_path)])
    trainer.fit(model, loader, loader)
    during = {name: value.item() for name, value in trainer.callback_metrics.items()}
    (tested,) = trainer.test(model, loader, verbose=False)
    for scores, stage in ((during, "val"), (tested, "test")):
        assert scores[f"{stage}/gmner_f1"] == pytest.approx(2 * 1 / 5)
        assert scores[f"{stage}/mner_f1"] == pytest.approx(2 * 2 / 5)
        assert scores[f"{stage}/gmner_support"] == 3
        assert scores[f"{stage}/region_coverage"] == 1
    assert json.loads((tmp_path / "metrics.json").read_text("utf-8"))["gmner_recall"] == pytest.approx(1 / 3)


def test_a_model_without_boxes_has_no_such_scores(make_model, make_trainer):
    model = make_model()
    (scores,) = make_trainer().test(model, DataLoader(POSTS, 2, collate_fn=model.preprocessor), verbose=False)
    assert not any("gmner" in name for name in scores)
