"""From emissions to tags: the conditional random field and the softmax."""

from mner.decoders.crf import CRF
from mner.decoders.decoder import Decoder
from mner.decoders.softmax import Softmax

__all__ = ["CRF", "Decoder", "Softmax"]
