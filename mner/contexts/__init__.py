"""Texts about posts and their images, offline of training: captions, object tags, OCR, and language models."""

from mner.contexts.budget import Budget
from mner.contexts.captioner import Captioner
from mner.contexts.chat_endpoint import ChatEndpoint
from mner.contexts.classifier_tags import ClassifierTags
from mner.contexts.context_writer import ContextWriter
from mner.contexts.detector_tags import DetectorTags
from mner.contexts.folder import FolderReport, describe_folder
from mner.contexts.huggingface_captioner import HuggingFaceCaptioner
from mner.contexts.ocr import OCR
from mner.contexts.question import Question, ShownExample
from mner.contexts.reply import Reply
from mner.contexts.transformers_writer import TransformersWriter
from mner.contexts.updown import CaptionData, UpDown, Vocabulary, common_words, read_captions

__all__ = [
    "OCR",
    "Budget",
    "CaptionData",
    "Captioner",
    "ChatEndpoint",
    "ClassifierTags",
    "ContextWriter",
    "DetectorTags",
    "FolderReport",
    "HuggingFaceCaptioner",
    "Question",
    "Reply",
    "ShownExample",
    "TransformersWriter",
    "UpDown",
    "Vocabulary",
    "common_words",
    "describe_folder",
    "read_captions",
]
