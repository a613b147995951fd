"""Decoders, from emissions to tags: conditional random field and softmax."""

from mner.decoders.crf import CRF
from mner.decoders.decoder import Decoder
from mner.decoders.softmax import Softmax

__all__ = ["CRF", "Decoder", "Softmax"]
