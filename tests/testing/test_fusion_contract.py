"""Every fusion keeps the contract, and the contract catches those that do not."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import mner.fusion
from mner.errors import ShapeError
from mner.fusion import (
    UMT,
    CoAttention,
    Concatenation,
    FusionModule,
    GraphFusion,
    LateFusion,
    MatchingAlignment,
    ModalityAttention,
    MultidimensionalAttention,
    TextOnly,
    VisualAttention,
    VisualPrefix,
)
from mner.testing import FusionContract, TinyGrid


@pytest.mark.filterwarnings("ignore:post .* has an image, and the model reads text only")
class TestTextOnly(FusionContract):
    fusion = TextOnly


class TestConcatenation(FusionContract):
    fusion = Concatenation


class TestVisualAttention(FusionContract):
    fusion = VisualAttention


class TestCoAttention(FusionContract):
    fusion = CoAttention


class TestModalityAttention(FusionContract):
    fusion = ModalityAttention


class TestMultidimensionalAttention(FusionContract):
    fusion = MultidimensionalAttention


class TestUMT(FusionContract):
    fusion = UMT


class TestGraphFusion(FusionContract):
    fusion = GraphFusion
    init_args = {"size": 16, "num_layers": 2, "heads": 2, "feedforward_size": 8, "layer_dropout": 0.1}  # noqa: RUF012


class TestMatchingAlignment(FusionContract):
    fusion = MatchingAlignment


class TestVisualPrefix(FusionContract):
    fusion = VisualPrefix
    init_args = {"size": 20}  # noqa: RUF012


class TestLateFusion(FusionContract):
    fusion = LateFusion


def test_no_fusion_is_forgotten():
    tested = {case.fusion for name, case in globals().items() if name.startswith("Test")}
    public = {getattr(mner.fusion, name) for name in mner.fusion.__all__}
    elsewhere = {mner.fusion.TransformerAttention, mner.fusion.RelationGate}  # which need a joint encoder
    assert {each for each in public if issubclass(each, FusionModule)} - {FusionModule} == tested - {Sum} | elsewhere


class Sum(FusionModule):
    """Adds the image to every word; the classes below each break one promise of it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.project = nn.Linear(self.image_width, self.text_encoder.hidden_size)

    def fuse(self, text, image):
        return text.words + (self.project(image.pooled) * image.present[:, None])[:, None]


class TestSum(FusionContract):
    fusion = Sum


class Leaks(Sum):
    def fuse(self, text, image):
        return text.words + self.project(image.regions.sum(dim=1))[:, None]


class Blind(Sum):
    def fuse(self, text, image):
        return text.words + 0 * super().fuse(text, image)


class Mixes(Sum):
    def fuse(self, text, image):
        return super().fuse(text, image) + super().fuse(text, image).roll(1, 0)


class SeesPadding(Sum):
    def fuse(self, text, image):
        return super().fuse(text, image) + text.mask.sum() / 10


class DividesByTheRegions(Sum):
    def fuse(self, text, image):
        mean = image.regions.sum(dim=1) / image.mask.sum(dim=1, keepdim=True)
        return text.words + self.project(mean)[:, None]


class SkipsTheImage(Sum):
    def fuse(self, text, image):
        return super().fuse(text, image) if image.present.any() else text.words


class Forgets(Sum):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.offset = torch.rand(())

    def fuse(self, text, image):
        return super().fuse(text, image) + self.offset


class LooksAtNothing(Sum):
    def fuse(self, text, image):
        self.record_attention(torch.ones(*text.mask.shape, image.mask.shape[1]))
        return super().fuse(text, image)


class DecidesNothing(Sum):
    def fuse(self, text, image):
        self.record_attention(None, mine=torch.full((1,), torch.nan))
        return super().fuse(text, image)


class Narrow(Sum):
    def fuse(self, text, image):
        return super().fuse(text, image)[:, 1:]


@pytest.mark.parametrize(
    ("fusion", "test", "arguments", "complaint"),
    [
        (Leaks, "what_is_masked_changes_nothing", ("regions", "in some"), "masked regions"),
        (Blind, "an_image_changes_its_own_post_alone", ("grid",), "changes nothing"),
        (Blind, "gradients_reach_every_parameter", ("grid", "in all"), "no gradient reaches"),
        (Mixes, "an_image_changes_its_own_post_alone", ("grid",), "changes other posts"),
        (SeesPadding, "padding_and_batch_order_change_nothing", ("grid", "in none"), "depend on padding"),
        (DividesByTheRegions, "emissions_have_their_shape_and_are_finite", ("grid", "in some"), "not finite"),
        (DividesByTheRegions, "it_trains_in_mixed_precision", ("grid", "in some"), "not finite"),
        (
            SkipsTheImage,
            "gradients_reach_every_parameter",
            ("grid", "in none"),
            "project.weight is not used in the loss",
        ),
        (LooksAtNothing, "attention_over_regions_is_a_distribution", ("grid", "in some"), "does not sum to one"),
        (DecidesNothing, "attention_over_regions_is_a_distribution", ("grid", "in all"), "the gate mine has the shape"),
        (Narrow, "emissions_have_their_shape_and_are_finite", ("grid", "in all"), "expected fuse"),
    ],
)
def test_a_broken_promise_is_caught(fusion, test, arguments, complaint):
    contract = FusionContract()
    contract.fusion = fusion
    with pytest.raises((AssertionError, ShapeError), match=complaint):
        getattr(contract, f"test_{test}")(*arguments)


@pytest.mark.parametrize("fusion", [VisualAttention, CoAttention])
def test_a_gradient_of_rounding_is_none(fusion):
    contract = FusionContract()
    contract.fusion, contract.init_args = fusion, {"as_published": True}
    with pytest.raises(AssertionError, match=r"no gradient reaches .*query"):  # it cancels in the softmax
        contract.test_gradients_reach_every_parameter("grid", "in all")


def test_what_a_checkpoint_does_not_hold_is_caught(tmp_path):
    contract = FusionContract()
    contract.fusion = Forgets
    with pytest.raises(AssertionError, match="returns other emissions"):
        contract.test_checkpoints_round_trip("grid", tmp_path)


def test_what_cannot_be_learned_is_caught(monkeypatch):
    contract = FusionContract()
    contract.fusion = Blind
    monkeypatch.setattr("mner.testing.fusion_contract.STEPS", 20)
    with pytest.raises(AssertionError, match="not learned in 20 steps"):
        contract.test_it_memorises_four_posts()


def test_further_arguments_reach_the_class():
    contract = FusionContract()
    contract.fusion, contract.init_args = Concatenation, {"size": 5}
    assert contract.build(TinyGrid()).emission_layer.in_features == 15


def test_pytest_runs_each_test_on_what_it_names():
    asked = []
    metafunc = SimpleNamespace(fixturenames=["images", "tmp_path"], parametrize=lambda *given: asked.append(given))
    FusionContract().pytest_generate_tests(metafunc)
    assert asked == [("images", ["grid", "regions"])]
