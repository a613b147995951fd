"""Text encoders: words in, word vectors out."""

from mner.text.characters import CharacterCNN
from mner.text.encoder import TextEncoder
from mner.text.huggingface import HuggingFaceText
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subwords import SubwordTokenizer
from mner.text.visualbert import VisualBertText

__all__ = ["CharacterCNN", "HuggingFaceText", "SubwordEncoder", "SubwordTokenizer", "TextEncoder", "VisualBertText"]
