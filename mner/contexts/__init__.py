"""Offline image-to-text: captions, object tags and OCR."""

from mner.contexts.captioner import Captioner
from mner.contexts.classifier_tags import ClassifierTags
from mner.contexts.detector_tags import DetectorTags
from mner.contexts.folder import FolderReport, describe_folder
from mner.contexts.huggingface_captioner import HuggingFaceCaptioner
from mner.contexts.ocr import OCR
from mner.contexts.updown import CaptionData, UpDown, Vocabulary, common_words, read_captions

__all__ = [
    "OCR",
    "CaptionData",
    "Captioner",
    "ClassifierTags",
    "DetectorTags",
    "FolderReport",
    "HuggingFaceCaptioner",
    "UpDown",
    "Vocabulary",
    "common_words",
    "describe_folder",
    "read_captions",
]
