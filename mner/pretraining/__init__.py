"""Task-adaptive pre-training: an encoder is adapted to the posts at hand before fine-tuning."""

from mner.pretraining.base import PretrainingModule
from mner.pretraining.masked_language import MaskedLanguageModel
from mner.pretraining.visual_language import VisualLanguageModel

__all__ = ["MaskedLanguageModel", "PretrainingModule", "VisualLanguageModel"]
