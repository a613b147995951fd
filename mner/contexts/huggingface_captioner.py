"""Any image-to-text model of Hugging Face as a captioner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from mner.argument_types import check_range
from mner.contexts.captioner import Captioner
from mner.errors import ConfigurationError, WeightsNotFoundError, summary
from mner.text.pretrained import quiet_loading
from mner.weights import resolve_weights


class HuggingFaceCaptioner(Captioner):
    """A pretrained captioner: BLIP, GIT, ViT-GPT2 and every other model that describes an image without a prompt.

    Args:
        name: A name on a model hub, for example ``Salesforce/blip-image-captioning-base``, a folder, or
            ``pkg://package/folder`` inside an installed package.
        max_new_tokens: Maximum number of subwords per caption.
        num_beams: Number of beams; 1 is greedy search.

    Raises:
        WeightsNotFoundError: If the model is neither on disk nor reachable.
        ConfigurationError: If the model does not turn images into text, or a number is out of range.
    """

    def __init__(self, name: str, max_new_tokens: int = 30, num_beams: int = 4) -> None:
        super().__init__()
        check_range("max_new_tokens", max_new_tokens, "[1, inf)")
        check_range("num_beams", num_beams, "[1, inf)")
        self.model, self.image_processor, self.tokenizer = load_pretrained(name)
        self.max_new_tokens = max_new_tokens
        self.num_beams = num_beams
        self.requires_grad_(False).eval()

    def describe(self, images: Sequence[Image.Image]) -> list[dict[str, Any]]:
        """Caption B images."""
        inputs = self.image_processor(images=list(images), return_tensors="pt").to(self.model.device)
        pieces = self.model.generate(
            **inputs, max_new_tokens=self.max_new_tokens, num_beams=self.num_beams, do_sample=False
        )
        captions = self.tokenizer.batch_decode(pieces, skip_special_tokens=True)
        return [{self.kind: " ".join(caption.split())} for caption in captions]


def load_pretrained(name: str) -> tuple[Any, Any, Any]:
    """Load a captioner with its image processor and tokenizer.

    Returns:
        A ``transformers`` model, image processor and tokenizer.

    Raises:
        WeightsNotFoundError: If one of them is neither on disk nor reachable; explains how to get them.
        ConfigurationError: If the model does not turn images into text.
    """
    from transformers import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        AutoConfig,
        AutoImageProcessor,
        AutoModelForImageTextToText,
        AutoTokenizer,
    )

    source = resolve_weights(name)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            raise ConfigurationError(
                f"{name} is a {config.model_type}, which does not turn images into text; choose a captioner such as "
                "Salesforce/blip-image-captioning-base, microsoft/git-base-coco or nlpconnect/vit-gpt2-image-captioning"
            )
        with quiet_loading():
            model = AutoModelForImageTextToText.from_pretrained(source, trust_remote_code=False)
        processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)
        return model, processor, AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(
            f"cannot load the captioner {name!r}: {summary(error)} "
            "Without a network give a folder that contains config.json, the weights, preprocessor_config.json and the "
            "tokenizer's files, or a checkpoint of UpDown"
        ) from error
