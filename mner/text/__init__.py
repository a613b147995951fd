"""Text encoders: words in, word vectors out."""

from mner.text.characters import CharacterCNN
from mner.text.encoder import TextEncoder
from mner.text.huggingface import HuggingFaceText
from mner.text.joint_encoder import JointEncoder
from mner.text.lxmert import LxmertText
from mner.text.modernvbert import ModernVBertText
from mner.text.modernvbert_patches import ModernVBertPatches
from mner.text.pretrained_encoder import PretrainedEncoder
from mner.text.region_encoder import RegionEncoder
from mner.text.subword_encoder import SubwordEncoder
from mner.text.subwords import SubwordTokenizer
from mner.text.visualbert import VisualBertText

__all__ = [
    "CharacterCNN",
    "HuggingFaceText",
    "JointEncoder",
    "LxmertText",
    "ModernVBertPatches",
    "ModernVBertText",
    "PretrainedEncoder",
    "RegionEncoder",
    "SubwordEncoder",
    "SubwordTokenizer",
    "TextEncoder",
    "VisualBertText",
]
