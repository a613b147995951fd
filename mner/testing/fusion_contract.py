"""The contract of a fusion module, as tests that any class can inherit."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mner.batch import Batch, ImageFeatures
from mner.components import to_config
from mner.fusion.base import FusionModule
from mner.labels import labels_for
from mner.posts import Post
from mner.testing.parts import TinyGrid, TinyRegions, tiny_text_encoder
from mner.text.encoder import TextEncoder
from mner.vision.encoder import ImageEncoder

LABELS = labels_for(("PER", "LOC"))
IMAGE_ENCODERS = {"grid": TinyGrid, "regions": TinyRegions}
PRESENT = {"in all": (0, 1, 2, 3, 4), "in some": (0, 2), "in none": ()}
TOLERANCE = 1e-4
ROUNDING = 1e-10
"""A gradient smaller than this, relative to the largest of the model, may be a rounding error."""
STEPS = 400

TEXTS = (
    (("jordan", "is", "great"), ("B-PER", "O", "O")),
    (("we", "love", "new", "york", "so", "much"), ("O", "O", "B-LOC", "I-LOC", "O", "O")),
    (("hello", "kevin", "durant", "in", "oslo"), ("O", "B-PER", "I-PER", "O", "B-LOC")),
    (("good", "morning"), ("O", "O")),
    (("paris",), ("B-LOC",)),
)


class FusionContract:
    """Tests of every fusion module, for pytest; your own class is tested in three lines.

    .. code-block:: python

        from mner.testing import FusionContract

        class TestMyFusion(FusionContract):
            fusion = MyFusion

    Tests run with grid and with region features, and with images in all posts, in some, or in none. The models
    are built from the parts of :mod:`mner.testing.parts`; override :meth:`build` or :meth:`text_encoder` for a class
    that needs others.

    Attributes:
        fusion: The class.
        init_args: Further arguments of its constructor: plain data.
    """

    fusion: type[FusionModule]
    init_args: dict[str, Any] = {}  # noqa: RUF012  (a subclass gives its own)

    def text_encoder(self) -> TextEncoder:
        """Build the text encoder of a model."""
        return tiny_text_encoder()

    def build(self, image_encoder: ImageEncoder) -> FusionModule:
        """Build a new model, identical in every call."""
        torch.manual_seed(0)
        return self.fusion(
            labels=LABELS, text_encoder=self.text_encoder(), image_encoder=image_encoder, **self.init_args
        )

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Parametrise each test by the image encoders and images in its signature."""
        for name, choices in (("images", IMAGE_ENCODERS), ("present", PRESENT)):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, list(choices))

    def test_emissions_have_their_shape_and_are_finite(self, images: str, present: str) -> None:
        """There is a score for each label of each word, also for a post without words."""
        model = self._model(images)
        posts = [*_posts(present), Post("empty", ())]
        for batch in (model.preprocessor(posts), model.preprocessor(posts[-1:])):
            emissions = model(batch)
            expected = (*batch.word_mask.shape, len(LABELS))
            assert emissions.shape == expected, f"expected emissions {expected}, got {tuple(emissions.shape)}"
            assert emissions.isfinite().all(), "emissions are not finite"

    def test_padding_and_batch_order_change_nothing(self, images: str, present: str) -> None:
        """A post's emissions do not depend on the other posts of its batch."""
        model = self._model(images)
        posts = _posts(present)
        together, reverse = _words(model, posts), _words(model, posts[::-1])[::-1]
        for post, first, second in zip(posts, together, reverse, strict=True):
            assert _same(first, second), f"the emissions of {post.words} depend on the order of the batch"
            assert _same(first, _words(model, [post])[0]), f"the emissions of {post.words} depend on padding"

    def test_what_is_masked_changes_nothing(self, images: str, present: str) -> None:
        """Neither a missing image's pixels nor the values of masked regions affect emissions."""
        model = self._model(images)
        batch = model.preprocessor(_posts(present))
        emissions = model(batch)
        if isinstance(batch.pixels, Tensor) and batch.image_mask is not None:
            noisy = copy.copy(batch)
            missing = ~batch.image_mask.view(-1, *[1] * (batch.pixels.ndim - 1))
            noisy.pixels = batch.pixels.masked_fill(missing.to(batch.pixels.device), 9.0)
            assert _same(model(noisy), emissions), "the pixels of a missing image change emissions"
        image = model.encode_image(batch)
        noisy = copy.copy(batch)
        noisy.image = replace(
            image,
            regions=image.regions.masked_fill(~image.mask[..., None], 9.0),
            pooled=image.pooled.masked_fill(~image.present[:, None], 9.0),
        )
        assert _same(model(noisy), emissions), "the values of masked regions change emissions"

    def test_an_image_changes_its_own_post_alone(self, images: str) -> None:
        """The method uses images, each for its own post only."""
        if not self.fusion.needs_image:
            return
        model = self._model(images)
        batch = model.preprocessor(_posts("in some"))
        image, emissions = model.encode_image(batch), model(batch).detach()
        other = copy.copy(batch)
        other.image = replace(image, regions=image.regions.detach().clone(), pooled=image.pooled.detach().clone())
        other.image.regions[2] = (1 - image.regions[2].flip(-1)) * image.mask[2, :, None]
        other.image.pooled[2] = 1 - image.pooled[2].flip(-1)
        changed = (model(other).detach() - emissions)[batch.word_mask].abs().amax(dim=1)
        posts = torch.repeat_interleave(torch.arange(len(batch)), batch.word_mask.sum(dim=1))
        assert changed[posts == 2].max() > TOLERANCE / 10, "another image changes nothing in its post"
        assert changed[posts != 2].max() <= TOLERANCE, "an image changes other posts"

    def test_several_images_are_one_sequence_of_regions(self, images: str) -> None:
        """A post sees the regions of all its images, as if one image had them all; other posts see theirs."""
        model = self._model(images)
        single = _posts("in some")
        posts = [single[0].with_images([Path("0.png"), Path("5.png")]), *single[1:]]
        batch = model.preprocessor(posts)
        with torch.no_grad():
            emissions = [scores[mask] for scores, mask in zip(model(batch), batch.word_mask, strict=True)]
            parts = [
                model.encode_image(model.preprocessor([posts[0].with_images([image])])) for image in posts[0].images
            ]
        for post, first, second in zip(posts[1:], emissions[1:], _words(model, single)[1:], strict=True):
            assert _same(first, second), f"the second image of another post changes the emissions of {post.words}"
        if not self.fusion.needs_image:
            return
        joined = model.preprocessor(posts[:1]).replace(post_of_image=None)
        names = ["regions", "mask"] if parts[0].boxes is None else ["regions", "mask", "boxes"]
        of_both = {name: torch.cat([getattr(part, name) for part in parts], dim=1) for name in names}
        joined.image = ImageFeatures(**of_both, pooled=torch.stack([part.pooled for part in parts]).mean(dim=0))
        with torch.no_grad():
            expected = model(joined)[0]
        assert _same(emissions[0], expected), "the emissions are not those of the regions of both images"
        changed = (emissions[0] - _words(model, single[:1])[0]).abs().max()
        assert changed > TOLERANCE / 10, "the second image changes nothing"

    def test_gradients_reach_every_parameter(self, images: str, present: str) -> None:
        """Also in a batch without images, where distributed training fails if a parameter is unused."""
        model = self._model(images).train()
        batch = model.preprocessor(_posts(present))
        _loss(model, batch).backward()
        encoder = {id(parameter) for parameter in model.image_encoder.parameters()} if model.image_encoder else set()
        largest = max(parameter.grad.abs().max() for parameter in model.parameters() if parameter.grad is not None)
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad or (id(parameter) in encoder and not self._sees(present)):
                continue
            assert parameter.grad is not None, f"{name} is not used in the loss"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
            # A bias may legitimately cancel in a softmax, as that of an attention's keys does.
            reached = parameter.grad.abs().max() > (ROUNDING * largest if parameter.ndim > 1 else 0)
            assert not self._sees(present) or reached, f"no gradient reaches {name}"

    def test_it_memorises_four_posts(self) -> None:
        """Two of them differ only in their images, if the method uses images."""
        model = self._model("grid")
        posts = _posts("in all")[:4]
        if self.fusion.needs_image:
            posts[3] = Post("3", posts[0].words, ("B-LOC", "O", "O"), image=Path("3.png"))
        batch = model.preprocessor(posts)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        for step in range(STEPS):
            optimizer.zero_grad()
            _loss(model.train(), batch).backward()
            optimizer.step()
            if step % 10 == 9 and batch.tags is not None:
                with torch.no_grad():
                    predicted = model.decoder.decode(model.eval()(batch), batch.word_mask)
                if predicted.equal(batch.tags):
                    return
        raise AssertionError(f"four posts are not learned in {STEPS} steps at a learning rate of 0.01")

    def test_checkpoints_round_trip(self, images: str, tmp_path: Path) -> None:
        """After a training step, saving and loading preserve arguments and emissions."""
        from pytorch_lightning import Trainer
        from torch.utils.data import DataLoader

        from mner.inference.load import load_model

        model = self._model(images)
        posts = _posts("in some")
        quiet: dict[str, Any] = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )
        trainer = Trainer(max_steps=1, accelerator="cpu", devices=1, default_root_dir=tmp_path, **quiet)
        trainer.fit(model.train(), DataLoader(posts, batch_size=len(posts), collate_fn=model.preprocessor))  # type: ignore[arg-type]
        trainer.save_checkpoint(tmp_path / "model.ckpt")
        loaded = load_model(tmp_path / "model.ckpt")
        assert to_config(loaded) == to_config(model), "the loaded model has other arguments"
        batch = model.preprocessor(posts)
        with torch.no_grad():
            assert loaded(batch).equal(model.eval()(batch)), "the loaded model returns other emissions"

    def test_a_config_builds_it(self, images: str, tmp_path: Path) -> None:
        """The command line builds the same model from a config file with its arguments."""
        from pytorch_lightning.cli import LightningArgumentParser

        model = self._model(images)
        config = to_config(model)
        (tmp_path / "config.json").write_text(json.dumps({"model": config}), encoding="utf-8")
        parser = LightningArgumentParser()
        parser.add_lightning_class_args(FusionModule, "model", subclass_mode=True)
        built = parser.instantiate_classes(parser.parse_path(tmp_path / "config.json")).model
        found, given = to_config(built)["init_args"], config["init_args"]
        different = {name for name in given if not _contains(found[name], given[name])}
        assert type(built) is type(model), f"a config of {type(model).__name__} builds a {type(built).__name__}"
        assert not different, f"the parser changes {', '.join(sorted(different))}"
        built.load_state_dict(model.state_dict())
        batch = model.preprocessor(_posts("in some"))
        with torch.no_grad():
            assert built.eval()(batch).equal(model(batch)), "the model of the config returns other emissions"

    def test_it_trains_in_mixed_precision(self, images: str, present: str) -> None:
        """Under autocast to bfloat16 loss and gradients are finite."""
        model = self._model(images).train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = _loss(model, model.preprocessor(_posts(present)))
        loss.backward()
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert loss.isfinite(), "the loss is not finite"
        assert all(gradient.isfinite().all() for gradient in gradients), "a gradient is not finite"

    def test_attention_over_regions_is_a_distribution(self, images: str, present: str) -> None:
        """Recorded attention sums to one over real regions, and is zero without an image; gates are finite."""
        model = self._model(images)
        batch = model.preprocessor(_posts(present))
        attention = model.attention(batch)
        for name, gate in attention.gates.items():
            assert gate.shape[:2] == batch.word_mask.shape, f"the gate {name} has the shape {tuple(gate.shape)}"
            assert gate[batch.word_mask].isfinite().all(), f"the gate {name} is not finite"
        regions = attention.regions
        if regions is None:
            return
        image = model.encode_image(batch)
        expected = (*batch.word_mask.shape, image.mask.shape[1])
        assert regions.shape == expected, f"expected attention {expected}, got {tuple(regions.shape)}"
        total = image.present[:, None].expand(batch.word_mask.shape).float()
        assert _same(regions.sum(dim=-1)[batch.word_mask], total[batch.word_mask]), "attention does not sum to one"
        assert not regions.masked_fill(image.mask[:, None], 0).any(), "attention falls on masked regions"

    def _model(self, images: str) -> FusionModule:
        return self.build(IMAGE_ENCODERS[images]()).eval()

    def _sees(self, present: str) -> bool:
        return self.fusion.needs_image and bool(PRESENT[present])


def _posts(present: str) -> list[Post]:
    return [
        Post(f"{index}", words, tags, image=Path(f"{index}.png") if index in PRESENT[present] else None, boxes={})
        for index, (words, tags) in enumerate(TEXTS)
    ]


def _words(model: FusionModule, posts: Sequence[Post]) -> list[Tensor]:
    """Return the emissions of the words of each post."""
    batch = model.preprocessor(posts)
    with torch.no_grad():
        return [scores[mask] for scores, mask in zip(model(batch), batch.word_mask, strict=True)]


def _loss(model: FusionModule, batch: Batch) -> Tensor:
    return model.losses(batch).total


def _contains(found: Any, given: Any) -> bool:
    """Return whether a description contains another one, which may leave out arguments with default values."""
    if isinstance(found, dict) and isinstance(given, dict):
        return all(name in found and _contains(found[name], value) for name, value in given.items())
    return bool(found == given)


def _same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, atol=TOLERANCE)
