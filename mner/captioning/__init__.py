"""Texts about images, written ahead of training: captions, object tags, the letters in the picture."""

from mner.captioning.captioner import Captioner
from mner.captioning.classifier_tags import ClassifierTags
from mner.captioning.detector_tags import DetectorTags
from mner.captioning.folder import FolderReport, describe_folder
from mner.captioning.huggingface import HuggingFace
from mner.captioning.ocr import OCR
from mner.captioning.training_data import CaptionData, read_captions
from mner.captioning.updown import UpDown
from mner.captioning.vocabulary import Vocabulary, common_words

__all__ = [
    "OCR",
    "CaptionData",
    "Captioner",
    "ClassifierTags",
    "DetectorTags",
    "FolderReport",
    "HuggingFace",
    "UpDown",
    "Vocabulary",
    "common_words",
    "describe_folder",
    "read_captions",
]
