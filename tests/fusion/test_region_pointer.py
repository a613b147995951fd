"""The region pointer against plain loops, and in models: training, prediction, checkpoints, errors."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from mner.batch import ImageFeatures, TextFeatures
from mner.boxes import gold_entities, intersection_over_union
from mner.components import to_config
from mner.decoders.entities import EntityLists
from mner.errors import ConfigurationError
from mner.fusion import CoAttention, TextOnly
from mner.grounding import RegionPointer
from mner.grounding.gold_boxes import collate_boxes
from mner.grounding.overlap import pairwise_overlap
from mner.inference.load import load_model
from mner.inference.tagger import Tagger
from mner.labels import labels_for
from mner.posts import Entities, Entity, Post
from mner.testing import FusionContract, TinyGrid, TinyRegions, tiny_text_encoder
from mner.vision import Grid

pytestmark = pytest.mark.filterwarnings("ignore")

REGIONS = [[(0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 0.5, 0.6), (0.5, 0.5, 1.0, 1.0)], [(0.1, 0.1, 0.9, 0.9)], []]
POSTS = [
    Post(
        "1",
        ("Ann", "Lee", "in", "Oslo", "with", "Bo"),
        ("B-PER", "I-PER", "O", "B-LOC", "O", "B-PER"),
        image=Path("1.png"),
        boxes={(0, 2): ((0.0, 0.0, 0.5, 0.55), (0.5, 0.5, 0.9, 0.9)), (5, 6): ((0.6, 0.0, 0.9, 0.2),)},
    ),
    Post("2", ("Bo", "and", "Ann"), ("B-PER", "O", "B-PER"), image=Path("2.png"), boxes={(0, 1): ((0.2, 0.2, 1, 1),)}),
    Post("3", ("Oslo",), ("B-LOC",), boxes={}),
]


@pytest.fixture
def features():
    """Fused vectors and regions of the posts, in double precision; what stands in padding is noise."""
    torch.manual_seed(1)
    words, regions = torch.randn(3, 6, 8).double(), torch.randn(3, 3, 5).double()
    boxes = torch.rand(3, 3, 4).double()
    mask = torch.zeros(3, 3, dtype=torch.bool)
    for row, of in enumerate(REGIONS):
        mask[row, : len(of)] = True
        boxes[row, : len(of)] = torch.tensor(of).double().reshape(-1, 4)
    text = TextFeatures(words, torch.ones(3, 6, dtype=torch.bool), words[:, 0], fused=words)
    return text, ImageFeatures(regions, mask, regions[:, 0], boxes=boxes, scores=torch.rand(3, 3).double())


def make_pointer(**arguments):
    pointer = RegionPointer(**arguments)
    pointer.bind(8, TinyRegions(5))
    for parameter in pointer.parameters():
        torch.nn.init.normal_(parameter)
    return pointer.double()


def plain_logits(pointer, text, image, post, start, end):
    entity = text.fused[post, start:end].mean(dim=0)
    products = [pointer.query.weight @ entity @ region for region in image.regions[post, : len(REGIONS[post])]]
    scores = [p / math.sqrt(5) + pointer.score * s for p, s in zip(products, image.scores[post], strict=False)]
    return torch.stack([*scores, (pointer.not_shown.weight[0] @ entity + pointer.not_shown.bias[0])])


def test_only_regions_of_the_first_image_are_candidates(features):
    text, image = features
    pointer, spans = make_pointer(), torch.tensor([[[0, 2]]] * 3)
    index = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 0, 0]])
    several, first = replace(image, image_index=index), replace(image, mask=image.mask & (index == 0))
    gold = collate_boxes(POSTS)
    assert pointer(text, several, spans).equal(pointer(text, first, spans))
    assert all(a.equal(b) for a, b in zip(pointer.target(several, gold), pointer.target(first, gold), strict=True))
    assert pointer.target(several, gold)[1][1].sum() == 0  # the first image of the second post has no region
    assert [len(boxes) for boxes in pointer.candidates(several)] == [2, 0, 0]


def plain_loss(pointer, text, image, uncovered, min_iou):
    losses = []
    for row, post in enumerate(POSTS):
        for entity in gold_entities(post):
            if not REGIONS[row]:
                continue
            overlaps = [max((intersection_over_union(b, g) for g in entity.boxes), default=0.0) for b in REGIONS[row]]
            overlaps = [overlap if overlap >= min_iou else 0.0 for overlap in overlaps]
            if sum(overlaps):
                target = [overlap / sum(overlaps) for overlap in overlaps] + [0.0]
            elif not entity.boxes or uncovered == "not_shown":
                target = [0.0] * len(overlaps) + [1.0]
            else:
                continue
            logits = plain_logits(pointer, text, image, row, entity.start, entity.end)
            chances = logits.softmax(dim=0)
            losses.append(sum(p * (math.log(p) - chances[j].log()) for j, p in enumerate(target) if p))
    return torch.stack(losses).mean(), len(losses)


@pytest.mark.parametrize(("uncovered", "count"), [("ignore", 4), ("not_shown", 5)])
def test_the_loss_is_that_of_a_loop(features, uncovered, count):
    text, image = features
    pointer = make_pointer(uncovered=uncovered, loss_weight=0.3)
    expected, counted = plain_loss(pointer, text, image, uncovered, 0.5)
    assert counted == count
    loss = pointer.loss(text, image, collate_boxes(POSTS))
    assert loss.item() == pytest.approx(0.3 * expected.item(), abs=1e-6)


def test_min_iou_decides_what_covers(features):
    text, image = features
    pointer = make_pointer(min_iou=0.95)
    expected, counted = plain_loss(pointer, text, image, "ignore", 0.95)
    assert counted == 2  # what is not shown
    assert pointer.loss(text, image, collate_boxes(POSTS)).item() == pytest.approx(expected.item(), abs=1e-6)


def test_nothing_to_train_on_is_a_loss_of_zero_with_gradients(features):
    text, image = features
    pointer = make_pointer()
    unknown = [replace(post, boxes=None) for post in POSTS]
    for posts, shown in ((unknown, image), (POSTS, replace(image, mask=torch.zeros_like(image.mask)))):
        loss = pointer.loss(text, shown, collate_boxes(posts))
        assert loss.item() == 0
        pointer.zero_grad()
        loss.backward()
        assert all(parameter.grad is not None and not parameter.grad.any() for parameter in pointer.parameters())


def test_predicted_entities_get_the_best_region_or_none(features):
    text, image = features
    pointer = make_pointer()
    found = EntityLists(
        [
            Entities([Entity("PER", 0, 2, confidence=0.5), Entity("LOC", 3, 4)], {"relation": 0.5}),
            Entities([Entity("PER", 2, 3)]),
            Entities([Entity("LOC", 0, 1)]),
        ]
    )
    grounded = pointer.ground(found, text, image)
    assert [of.scores for of in grounded] == [{"relation": 0.5}, {}, {}]
    for row, (before, after) in enumerate(zip(found, grounded, strict=True)):
        for old, entity in zip(before, after, strict=True):
            best = int(plain_logits(pointer, text, image, row, old.start, old.end).argmax())
            expected = (*REGIONS[row], None)[best]
            assert replace(entity, boxes=None) == old
            assert entity.boxes == (() if expected is None else (pytest.approx(expected),))
    assert grounded[2][0].boxes == ()
    with torch.no_grad():
        pointer.not_shown.bias.fill_(1e3)
    assert all(entity.boxes == () for of in pointer.ground(found, text, image) for entity in of)
    empty = EntityLists([Entities(), Entities(), Entities()])
    assert pointer.ground(empty, text, image) == empty


def test_candidates_are_the_real_regions(features):
    assert make_pointer().candidates(features[1]) == [[pytest.approx(box) for box in of] for of in REGIONS]


def test_overlaps_are_those_of_two_boxes():
    torch.manual_seed(0)
    boxes = torch.rand(2, 5, 2, 2).sort(dim=2).values.flatten(2).double()
    others = torch.rand(2, 4, 2, 2).sort(dim=2).values.flatten(2).double()
    found = pairwise_overlap(boxes, others)
    for post, i, j in torch.cartesian_prod(torch.arange(2), torch.arange(5), torch.arange(4)).tolist():
        expected = intersection_over_union(tuple(boxes[post, i].tolist()), tuple(others[post, j].tolist()))
        assert found[post, i, j].item() == pytest.approx(expected)
    assert not pairwise_overlap(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)).any()


def test_gold_boxes_are_padded():
    gold = collate_boxes([*POSTS, Post("4", ("hi",), ("O",), boxes={}), Post("5", ("Bo",), ("B-PER",))])
    assert gold.spans[0].tolist() == [[0, 2], [3, 4], [5, 6]]
    assert gold.known.sum(dim=1).tolist() == [3, 2, 1, 0, 0]
    assert gold.shown.sum(dim=2).tolist() == [[2, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert gold.boxes[0, 2, 0].tolist() == pytest.approx([0.6, 0.0, 0.9, 0.2])
    assert collate_boxes([Post("4", (), ())]).boxes.shape == (1, 1, 1, 4)


class Located(TinyRegions):
    """Regions with a box each: the quarters of the image."""

    def encode(self, pixels):
        image = super().encode(pixels)
        quarters = torch.tensor([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])
        return replace(image, boxes=quarters.expand(len(pixels), -1, -1))


QUARTER = {(0, 1): ((0.0, 0.0, 0.5, 0.5),)}


class TestWithCoAttention(FusionContract):
    """The contract of fusion modules holds with a pointer."""

    fusion = CoAttention

    def build(self, image_encoder):
        torch.manual_seed(0)
        located = Located() if isinstance(image_encoder, TinyRegions) else image_encoder
        if isinstance(located, TinyGrid):
            pytest.skip("the tiny grid has no boxes")
        text_encoder = tiny_text_encoder()
        return CoAttention(
            labels=labels_for(("PER", "LOC")),
            text_encoder=text_encoder,
            image_encoder=located,
            grounding=RegionPointer(uncovered="not_shown"),
        )

    def test_it_memorises_which_region_shows_what(self):
        model = self.build(TinyRegions())
        posts = [
            Post("1", ("Ann", "Bo"), ("B-PER", "B-PER"), image=Path("1.png"), boxes=QUARTER),
            Post("2", ("Bo", "Ann"), ("B-PER", "B-PER"), image=Path("2.png"), boxes={(0, 1): ((0.5, 0, 1, 0.5),)}),
        ]
        batch = model.preprocessor(posts)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for _ in range(100):
            optimizer.zero_grad()
            model.losses(batch).total.backward()
            optimizer.step()
        found = Tagger(model).predict_batch(posts)
        assert [[entity.boxes for entity in of] for of in found] == [
            [entity.boxes for entity in gold_entities(post)] for post in posts
        ]


def test_a_training_logs_its_loss_and_the_checkpoint_grounds_alike(make_trainer, tmp_path):
    posts = [
        Post(str(i), ("Ann", "is", "here"), ("B-PER", "O", "O"), image=Path(f"{i}.png"), boxes=QUARTER)
        for i in range(4)
    ]
    parts = {"text_encoder": tiny_text_encoder(), "image_encoder": Located()}
    model = CoAttention(labels=labels_for(("PER",)), **parts, grounding=RegionPointer(0.5, 0.6, "not_shown"))
    loader = DataLoader(posts, 2, collate_fn=model.preprocessor)
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model, loader, loader)
    assert trainer.callback_metrics["train/grounding_loss"] > 0
    assert "val/gmner_f1" in trainer.callback_metrics
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = load_model(tmp_path / "model.ckpt")
    assert to_config(loaded)["init_args"]["grounding"] == {
        "class_path": "mner.grounding.region_pointer.RegionPointer",
        "init_args": {"loss_weight": 0.5, "min_iou": 0.6, "uncovered": "not_shown"},
    }
    assert Tagger(loaded).predict_batch(posts) == Tagger(model).predict_batch(posts)


def test_a_model_without_it_has_neither_gold_boxes_nor_boxes(make_fusion):
    model = make_fusion(CoAttention, image_encoder=Located())
    batch = model.preprocessor(POSTS)
    assert batch.gold_boxes is None
    assert "grounding_loss" not in model.losses(batch).parts
    assert all(entity.boxes is None for of in model.predict_step(batch, 0) for entity in of)


def test_what_cannot_be_grounded_is_refused(make_fusion, trainable_fusion):
    grid = Grid("resnet18", weights=None, image_size=32)
    with pytest.raises(ConfigurationError, match=r"among regions with boxes, got a Grid without boxes.*crop_mode"):
        make_fusion(CoAttention, image_encoder=grid, grounding=RegionPointer())
    with pytest.raises(ConfigurationError, match="got no image encoder"):
        make_fusion(TextOnly, image_encoder=None, grounding=RegionPointer())
    pointer = RegionPointer()
    make_fusion(CoAttention, image_encoder=Located(), grounding=pointer)
    with pytest.raises(ConfigurationError, match="got one of a model already"):
        make_fusion(CoAttention, image_encoder=Located(), grounding=pointer)
    for arguments in ({"loss_weight": -1.0}, {"min_iou": 0.0}, {"min_iou": 1.5}, {"uncovered": "skip"}):
        with pytest.raises(ConfigurationError):
            RegionPointer(**arguments)
    model = make_fusion(CoAttention, image_encoder=Located(), grounding=RegionPointer())
    batch = model.preprocessor(POSTS).replace(gold_boxes=None)
    with pytest.raises(ConfigurationError, match=r"collate_fn=model\.preprocessor"):
        model.losses(batch)


def test_training_needs_gold_boxes(make_fusion):
    preprocessor = make_fusion(CoAttention, image_encoder=Located(), grounding=RegionPointer()).preprocessor
    unknown = [replace(post, boxes=None) for post in POSTS]
    preprocessor.check(POSTS, "train")
    preprocessor.check(unknown, "test")
    with pytest.raises(ConfigurationError, match="none of the 3 training posts has gold boxes"):
        preprocessor.check(unknown, "train")


def test_cells_of_a_whole_image_are_boxes(make_fusion, tmp_path):
    from PIL import Image

    Image.new("RGB", (60, 40), "red").save(tmp_path / "1.png")
    whole = {"crop_mode": "squash", "crop_pct": 1.0}
    grid = Grid("resnet18", weights=None, image_size=64, preprocessing=whole)
    model = make_fusion(CoAttention, image_encoder=grid, grounding=RegionPointer())
    post = replace(POSTS[0], image=tmp_path / "1.png")
    batch = model.preprocessor([post])
    assert model.losses(batch).parts["grounding_loss"].isfinite()
    boxes = grid.region_boxes(model.encode_image(batch))
    assert boxes[0].tolist() == [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]
