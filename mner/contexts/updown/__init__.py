"""The bottom-up and top-down captioner (Anderson et al. 2018), trained on your own captions."""

from mner.contexts.updown.captioner import UpDown
from mner.contexts.updown.training_data import CaptionData, read_captions
from mner.contexts.updown.vocabulary import Vocabulary, common_words

__all__ = ["CaptionData", "UpDown", "Vocabulary", "common_words", "read_captions"]
