"""The base of every fusion method: steps, metrics and emissions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn

from mner.argument_types import check_range
from mner.batch import Batch, ImageFeatures, TextFeatures
from mner.components import check_arguments, takes_any_keyword
from mner.decoders import CRF, Decoder
from mner.decoders.entities import EntityLists, find_entities
from mner.errors import ConfigurationError, ShapeError
from mner.fusion.annotation import TestAnnotation, annotated_tags
from mner.fusion.attention import AttentionRecorder
from mner.fusion.entity_scores import EntityScores
from mner.fusion.label_set import check_label_set, check_same_labels
from mner.fusion.losses import Losses
from mner.fusion.view_alignment import ViewAlignment
from mner.fusion.word_dropout import WordDropout
from mner.grounding import RegionPointer
from mner.posts import Box
from mner.preprocessor import MAX_IMAGES, Preprocessor
from mner.text.characters import CharacterCNN
from mner.text.encoder import TextEncoder
from mner.text.probe import POST
from mner.training import Optimization, TrainingModule
from mner.training.parameter_groups import Rates
from mner.vision.encoder import ImageEncoder
from mner.word_tokenizers import WordTokenizer

OPTIMIZATION = Optimization()


class FusionModule(AttentionRecorder, TrainingModule, ABC):
    """A model assembled from parts; a subclass defines how text and image become one vector per word.

    A subclass is a constructor and :meth:`fuse`. Its constructor passes ``**kwargs`` on, builds its layers from
    ``self.text_encoder.hidden_size`` (D) and ``self.image_width`` (V), and overrides the property :attr:`fused_size` if
    its vectors are not D wide. It may pass attention weights to :meth:`record_attention`.

    Args:
        labels: Tags in the order of the emissions, ``O`` among them. The command line takes them from the data.
        text_encoder: Posts to word vectors.
        image_encoder: Images to regions: a part, or a name from ``mner.vision.registry``; by default that of the text
            encoder, if it has its own.
        characters: Character features, concatenated with the fused vector of each word unless the method uses them
            itself; such a method has a default.
        decoder: Emissions to tags; a :class:`~mner.decoders.CRF` by default.
        dropout: Dropout on the input of the emission layer.
        word_dropout: Probability that this input is zero for a whole word, in training.
        optimization: Learning rates, optimizer, schedule, clipping, EMA.
        contexts: Kinds of context that the model reads after the post, in order. The command line takes them from the
            data.
        word_tokenizer: Splits raw text into words; a :class:`~mner.word_tokenizers.TweetTokenizer` by default. The
            command line takes it from the data.
        on_bad_image: ``mask`` leaves an image out that cannot be used; ``error`` stops.
        max_images: Maximum number of images per post, the first ones; their regions are concatenated.
        align_views: Also train and score on the posts without contexts and images, and train that view on the
            predictions with them (Wang et al. 2022); off by default.
        grounding: Also predict the box that shows each entity; off by default.

    Raises:
        ConfigurationError: If parts are incompatible or a number is out of range.
        LabelError: If there is no entity label.
        TypeError: If an argument cannot be kept in a checkpoint as plain data.
    """

    monitor = ("val/f1", "max")
    needs_image = True
    uses_characters = False

    def __init__(
        self,
        labels: list[str],
        text_encoder: TextEncoder,
        image_encoder: ImageEncoder | str | None = None,
        characters: CharacterCNN | None = None,
        decoder: Decoder | None = None,
        dropout: float = 0.1,
        word_dropout: float = 0.0,
        optimization: Optimization = OPTIMIZATION,
        contexts: Sequence[str] = (),
        word_tokenizer: WordTokenizer | None = None,
        on_bad_image: Literal["mask", "error"] = "mask",
        align_views: ViewAlignment | None = None,
        grounding: RegionPointer | None = None,
        max_images: int = MAX_IMAGES,
    ) -> None:
        own = text_encoder.own_image_encoder() if self.needs_image and image_encoder is None else None
        super().__init__(
            text_encoder, image_encoder or own, optimization, contexts, word_tokenizer, on_bad_image, max_images
        )
        self.labels = check_label_set(labels)
        if self.needs_image and self.image_encoder is None:
            raise ConfigurationError(
                f"{type(self).__name__} fuses text with images: give it an image_encoder, for example resnet152"
            )
        # A mapping if it comes from a checkpoint.
        self.align_views = ViewAlignment(**align_views) if isinstance(align_views, Mapping) else align_views
        parts = {"characters": characters, "decoder": decoder, "word_tokenizer": word_tokenizer}
        self._default_parts = [name for name, part in parts.items() if part is None] + ["image_encoder"] * bool(own)
        self.characters = CharacterCNN() if characters is None and self.uses_characters else characters
        self.decoder = CRF() if decoder is None else decoder
        self.decoder.bind(self.labels)
        check_range("dropout", dropout, "[0, 1)")
        self.dropout, self.word_dropout = nn.Dropout(dropout), WordDropout(word_dropout)
        extra = 0 if self.uses_characters else self.character_width
        self.emission_layer = nn.Linear(self._known_fused_size() + extra, len(self.labels))
        both = self.align_views is not None
        self.grounding = grounding
        if grounding is not None:
            grounding.bind(self._known_fused_size(), self.image_encoder)
        self.validation_scores, self.test_scores = (EntityScores(self.labels, both) for _ in range(2))
        self._test_annotation = TestAnnotation()
        self.preprocessor = Preprocessor(
            **self.preprocessing(),
            labels=self.labels,
            max_characters=None if self.characters is None else self.characters.max_characters,
            text_only_view=both,
            gold_boxes=grounding is not None,
        )
        check_arguments(self)

    def checkpoint_arguments(self) -> dict[str, Any]:
        """Add the parts that were built by default to the arguments."""
        arguments = super().checkpoint_arguments()
        # A part that a subclass chooses itself is not an argument of the subclass.
        passed_on = self._default_parts if takes_any_keyword(type(self)) else ()
        names = ("image_encoder", "characters", "decoder", "word_tokenizer")
        return arguments | {name: getattr(self, name) for name in names if name in {*arguments, *passed_on}}

    @property
    def fused_size(self) -> int:
        """Width of the fused vectors, F; that of the text encoder unless a subclass overrides it.

        The constructor of this base class reads it, so an argument that it depends on must be assigned before
        ``super().__init__(**kwargs)``.
        """
        return self.text_encoder.hidden_size

    def _known_fused_size(self) -> int:
        try:
            return self.fused_size
        except AttributeError as error:
            raise ConfigurationError(
                f"{type(self).__name__}.fused_size is read in the constructor of FusionModule and needs an attribute "
                f"that is not yet assigned ({error}); assign it before super().__init__(**kwargs)"
            ) from error

    @property
    def character_width(self) -> int:
        """Character features per word, K; 0 where there are none."""
        return 0 if self.characters is None else self.characters.hidden_size

    @abstractmethod
    def fuse(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Fuse words and regions.

        Args:
            text: Word states, ``text.words`` of shape ``(B, W, D)``, padding in ``text.mask``.
            image: Region states ``(B, R, V)``; ``image.mask`` is false everywhere where a post has no image.

        Returns:
            Fused word states, shape ``(B, W, F)``; finite where a post has no image.
        """

    def encode(self, batch: Batch) -> tuple[TextFeatures, ImageFeatures]:
        """Encode the images, the texts and their characters.

        Returns:
            Text features and image features of B posts.
        """
        image = self.encode_image(batch)
        text = self.encode_text(batch, image)
        if self.characters is not None and batch.characters is not None:
            text.characters = self.characters(batch.characters)
        return text, image

    def encode_text(self, batch: Batch, image: ImageFeatures) -> TextFeatures:
        """Encode the texts alone; overridden by a method whose text encoder reads the regions ``(B, R, V)`` as well."""
        text: TextFeatures = self.text_encoder(batch)
        return text

    def forward(self, batch: Batch) -> Tensor:
        """Score every label for every word.

        Returns:
            Emissions, shape ``(B, W, L)``.
        """
        return self.emissions(*self.encode(batch))

    def emissions(self, text: TextFeatures, image: ImageFeatures) -> Tensor:
        """Fuse, append the character features, and score the labels.

        Returns:
            Shape ``(B, W, L)``.

        Raises:
            ShapeError: If the fused vectors are not ``fused_size`` wide, one per word.
        """
        fused = text.fused = self.fuse(text, image)
        if fused.shape != (*text.words.shape[:2], self.fused_size):
            raise ShapeError(
                f"expected fuse() of {type(self).__name__} to return vectors of shape "
                f"{(*text.words.shape[:2], self.fused_size)}, got {tuple(fused.shape)}; return one vector per "
                "word, and override the property fused_size with its width"
            )
        if text.characters is not None and not self.uses_characters:
            fused = torch.cat([fused, text.characters], dim=-1)
        scores: Tensor = self.emission_layer(self.word_dropout(self.dropout(fused)))
        return scores

    def auxiliary_loss(
        self, batch: Batch, text: TextFeatures, image: ImageFeatures, emissions: Tensor
    ) -> Tensor | None:
        """Compute an auxiliary loss, added to the decoder's in training and validation; none by default.

        Args:
            batch: B posts with tags.
            text: Text features, as :meth:`encode` returned them.
            image: Image features.
            emissions: Scores of the labels, shape ``(B, W, L)``.

        Returns:
            A scalar, or ``None``.
        """
        return None

    def post_scores(self, text: TextFeatures, image: ImageFeatures) -> dict[str, Tensor]:
        """Return numbers that describe each post, written with its predictions; none by default.

        Args:
            text: Text features, as :meth:`encode` returned them.
            image: Image features.

        Returns:
            Values by name, shape ``(B,)``.
        """
        return {}

    def candidate_boxes(self, image: ImageFeatures) -> Sequence[Sequence[Box]] | None:
        """Return the boxes per post among which the model chooses; ``None`` if it predicts no boxes."""
        return None if self.grounding is None else self.grounding.candidates(image)

    def on_test_epoch_start(self) -> None:
        """Forget the counts of an earlier test, and which of its posts were annotated."""
        self._test_annotation = TestAnnotation()
        self.test_scores.reset()

    def losses(self, batch: Batch, features: tuple[TextFeatures, ImageFeatures] | None = None) -> Losses:
        """Compute emissions and losses: of the decoder, and, where the model has them, of views, regions and its own.

        Args:
            batch: B posts; in training, those of a model that aligns views need no tags, and then only align them.
            features: What :meth:`encode` returned for them, if they are encoded already.

        Raises:
            DataError: If a post has no tags.
        """
        text, image = self.encode(batch) if features is None else features
        emissions, mask = self.emissions(text, image), batch.word_mask
        parts: dict[str, Tensor] = {}
        align, text_only = self.align_views, None
        if align is not None:
            text_only = self(batch.text_only_view())
            parts["alignment_loss"] = align.divergence(self.decoder, emissions, text_only, mask, batch.views_differ)
            if self.training and batch.tags is None:
                return Losses(emissions, align.mix(0.0, parts["alignment_loss"]), parts, text_only)
        tags = annotated_tags(batch)
        total = self.decoder.loss(emissions, tags, mask)
        if align is not None and text_only is not None:
            total = align.mix(total + self.decoder.loss(text_only, tags, mask), parts["alignment_loss"])
        if self.grounding is not None:
            parts["grounding_loss"] = self.grounding.loss(text, image, batch.gold_boxes)
            total = total + parts["grounding_loss"]
        auxiliary = self.auxiliary_loss(batch, text, image, emissions)
        if auxiliary is not None:
            parts["auxiliary_loss"] = auxiliary
            total = total + auxiliary
        return Losses(emissions, total, parts, text_only)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the total loss, and log it with its parts."""
        losses = self.losses(batch)
        self.log_dict({f"train/{name}": part for name, part in losses.parts.items()}, batch_size=len(batch))
        self.log("train/loss", losses.total, prog_bar=True, batch_size=len(batch))
        return losses.total

    def on_validation_epoch_start(self) -> None:
        """Forget the counts of an earlier validation."""
        self.validation_scores.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> EntityLists | None:  # type: ignore[override]
        """Count entities and log the loss; return predictions for a writer, except in validation during training."""
        text, image = features = self.encode(batch)
        losses = self.losses(batch, features)
        # A float, since Lightning truncates the average of integers over processes.
        options: dict[str, Any] = {"batch_size": float(len(batch)), "sync_dist": True}
        for name, part in losses.parts.items():
            self.log(f"val/{name}", part, **options)
        self.log("val/loss", losses.total, **options)
        predicted = self.decoder.decode(losses.emissions, batch.word_mask)
        text_only = None if losses.text_only is None else self.decoder.decode(losses.text_only, batch.word_mask)
        self.validation_scores.update(predicted, annotated_tags(batch), batch.word_mask, text_only)
        candidates = self.candidate_boxes(image)
        needed = any(post.spans is not None or (candidates and post.boxes is not None) for post in batch.posts)
        if self.trainer.state.fn == TrainerFn.FITTING and not needed:
            self.validation_scores.update_entities(EntityLists(), [])
            return None  # confidences take time and would not be used
        entities = self._predictions(batch, text, image, losses.emissions, predicted)
        self.validation_scores.update_entities(entities, batch.posts, candidates)
        return entities

    def on_validation_epoch_end(self) -> None:
        """Log ``val/f1`` and the other scores."""
        self._log_scores("val", self.validation_scores)

    def test_step(self, batch: Batch, batch_idx: int) -> EntityLists:  # type: ignore[override]
        """Count entities and return predictions for a writer.

        Raises:
            DataError: If some posts of the test set are annotated and others are not.
        """
        self._test_annotation.check(batch)
        text, image = self.encode(batch)
        emissions = self.emissions(text, image)
        predicted = self.decoder.decode(emissions, batch.word_mask)
        if batch.tags is not None:
            view = None if self.align_views is None else self(batch.text_only_view())
            text_only = None if view is None else self.decoder.decode(view, batch.word_mask)
            self.test_scores.update(predicted, batch.tags, batch.word_mask, text_only)
        entities = self._predictions(batch, text, image, emissions, predicted)
        self.test_scores.update_entities(entities, batch.posts, self.candidate_boxes(image))
        return entities

    def on_test_epoch_end(self) -> None:
        """Log ``test/f1`` and the other scores."""
        self._log_scores("test", self.test_scores)

    def predict_step(self, batch: Batch, batch_idx: int) -> EntityLists:
        """Return the predicted entities of each post."""
        text, image = self.encode(batch)
        emissions = self.emissions(text, image)
        predicted = self.decoder.decode(emissions, batch.word_mask)
        return self._predictions(batch, text, image, emissions, predicted)

    def entities(
        self, batch: Batch, emissions: Tensor, predicted: Tensor, scores: Mapping[str, Tensor] | None = None
    ) -> EntityLists:
        """Decode the entities of predicted tags, with their confidences.

        Args:
            batch: B posts.
            emissions: Shape ``(B, W, L)``.
            predicted: Label indices, shape ``(B, W)``.
            scores: What :meth:`post_scores` returned.

        Returns:
            The entities of each post, in order, with its scores.
        """
        return find_entities(self.decoder, batch, emissions, predicted, scores)

    def learning_rates(self) -> list[Rates]:
        """Return the decoder's rates before those of the text encoder, the image encoder and the new layers."""
        decoders = (list(part.parameters()) for part in self.modules() if isinstance(part, Decoder))
        lr = self.optimization.effective_decoder_lr
        return [*((parameters, lr, 0.0) for parameters in decoders), *super().learning_rates()]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Reject a checkpoint with other labels or of another model.

        Raises:
            CheckpointError: If the checkpoint's labels differ from the model's, also in order, or its weights differ in
                name or shape.
        """
        check_same_labels(checkpoint.get(self.CHECKPOINT_HYPER_PARAMS_KEY, {}).get("labels"), self.labels)
        super().on_load_checkpoint(checkpoint)

    def try_out(self) -> Tensor:
        """Return the emissions of a post without an image."""
        return self(self.preprocessor.using(quiet=True)([POST]))  # type: ignore[no-any-return]

    def _predictions(
        self, batch: Batch, text: TextFeatures, image: ImageFeatures, emissions: Tensor, predicted: Tensor
    ) -> EntityLists:
        """Decode the entities with the scores of their posts, and ground them if the model does."""
        found = self.entities(batch, emissions, predicted, self.post_scores(text, image))
        return found if self.grounding is None else self.grounding.ground(found, text, image)

    def _log_scores(self, stage: str, counted: EntityScores) -> None:
        scores = {f"{stage}/{name}": value for name, value in counted.compute().items()}
        if (shown := self.monitor[0]) in scores:
            self.log(shown, scores.pop(shown), prog_bar=True, sync_dist=True)
        self.log_dict(scores, sync_dist=True)  # already synchronised, which Lightning cannot know
