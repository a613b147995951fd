"""Text encoders: words in, word vectors out."""

from mner.text.characters import CharacterCNN
from mner.text.encoder import TextEncoder
from mner.text.huggingface import HuggingFaceText
from mner.text.piece_encoder import PieceEncoder
from mner.text.visualbert import VisualBertText
from mner.text.word_pieces import WordPieces

__all__ = ["CharacterCNN", "HuggingFaceText", "PieceEncoder", "TextEncoder", "VisualBertText", "WordPieces"]
