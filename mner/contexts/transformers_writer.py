"""Any image-text-to-text or text-generation model of Hugging Face, on this machine, as a context writer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor

from mner.contexts.context_writer import ContextWriter
from mner.contexts.question import Question
from mner.contexts.reply import Reply
from mner.errors import ConfigurationError, WeightsNotFoundError, summary
from mner.text.pretrained import quiet_loading
from mner.weights import resolve_weights


class TransformersWriter(ContextWriter):
    """Asks a chat model that runs on this machine: Qwen2.5-VL, Qwen3-VL, LLaVA, Idefics3, SmolVLM, Llama, Qwen, ...

    Questions enter through the model's chat template, padded on the left, in batches of questions that all have images
    or all have none. Decoding is greedy. No code from the model's folder or repository is executed. A special
    token or image placeholder that is spelled out in a post is broken up, so that it is read as text. A model that
    reads no images is asked without them.

    Args:
        name: A name on a model hub, a folder, or ``pkg://package/folder`` inside an installed package.
        max_new_tokens: Maximum number of tokens per answer.
        batch_size: Questions per batch.
        dtype: Data type of the weights; ``auto`` is that in which they are saved.
        max_image_side: Images are scaled down to this number of pixels on the longer side.
        revision: Branch, tag or commit of a repository of the hub.
        attn_implementation: The attention kernel by its name in ``transformers``.
        options: Further arguments of ``generate``, such as ``{"num_beams": 3}``.

    Raises:
        WeightsNotFoundError: If the model is neither on disk nor reachable.
        ConfigurationError: If it does not generate text, or has no chat template.
    """

    NOT_IN_ANSWERS: ClassVar[tuple[str, ...]] = (*ContextWriter.NOT_IN_ANSWERS, "attn_implementation")

    def __init__(
        self,
        name: str,
        max_new_tokens: int = 512,
        batch_size: int = 8,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        max_image_side: int = 1024,
        revision: str | None = None,
        attn_implementation: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        for what, value, minimum in (
            ("max_new_tokens", max_new_tokens, 1),
            ("batch_size", batch_size, 1),
            ("max_image_side", max_image_side, 28),
        ):
            if value < minimum:
                raise ConfigurationError(f"TransformersWriter: expected {what} of at least {minimum}, got {value}")
        self.model, self.processor = load_chat_model(name, revision, dtype, attn_implementation)
        self.tokenizer = getattr(self.processor, "tokenizer", self.processor)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.batch_size = batch_size
        self.max_image_side = max_image_side
        self._reads_images = self.processor is not self.tokenizer
        self._generation = {"do_sample": False, "max_new_tokens": max_new_tokens, **(options or {})}
        self._reserved = _reserved_tokens(self.tokenizer, self.processor)

    def move_to(self, device: torch.device) -> None:
        """Move the model to a device."""
        self.model.to(device)

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """Ask a batch of questions; one that the model cannot read does not affect the others."""
        replies: dict[int, Reply] = {}
        for has_image in (True, False):
            places = [place for place, each in enumerate(questions) if self._has_image(each) == has_image]
            if places:
                replies.update(zip(places, self._ask([questions[place] for place in places]), strict=True))
        return [replies[place] for place in range(len(questions))]

    def _has_image(self, question: Question) -> bool:
        return self._reads_images and any(images for images, _ in question.parts)

    def _ask(self, questions: Sequence[Question]) -> list[Reply]:
        try:
            return self._answer(questions)
        except (RuntimeError, ValueError, IndexError) as error:  # too long, a strange image, out of memory
            if len(questions) > 1:
                return [reply for question in questions for reply in self._ask([question])]
            return [Reply(error=f"{type(error).__name__}: {error}"[:300])]

    @torch.inference_mode()
    def _answer(self, questions: Sequence[Question]) -> list[Reply]:
        began = time.monotonic()
        inputs = self.inputs(questions)
        generated: Tensor = self.model.generate(**inputs, **self._generation, pad_token_id=self.tokenizer.pad_token_id)
        start = inputs["input_ids"].shape[1]
        answers = generated[:, start:].tolist()
        seconds = (time.monotonic() - began) / len(questions)
        prompt_tokens = inputs["attention_mask"].sum(1).tolist()
        sizes = self._image_sizes(questions, inputs)
        ends = self._ends()
        replies = []
        for answer, tokens, size in zip(answers, prompt_tokens, sizes, strict=True):
            length = next((place for place, token in enumerate(answer) if token in ends), len(answer))
            replies.append(
                Reply(
                    text=self.tokenizer.decode(answer[:length], skip_special_tokens=True),
                    prompt_tokens=tokens,
                    answer_tokens=length,
                    seconds=seconds,
                    truncated=length >= self._generation["max_new_tokens"],
                    image_size=size,
                )
            )
        return replies

    def inputs(self, questions: Sequence[Question]) -> dict[str, Any]:
        """Build the inputs of the model: questions in its chat template, tokenized, with their images.

        Args:
            questions: B questions, all with an image or all without.

        Returns:
            Tensors by name on the model's device, such as ``input_ids`` of shape ``(B, T)``, padded.
        """
        options: dict[str, Any] = {"add_generation_prompt": True, "tokenize": False}
        try:
            texts = self.processor.apply_chat_template([self._messages(each) for each in questions], **options)
        except TemplateError:  # no system messages in this template
            merged = [self._messages(each, has_system=False) for each in questions]
            texts = self.processor.apply_chat_template(merged, **options)
        given: dict[str, Any] = {"text": texts, "padding": True, "return_tensors": "pt"}
        if self._has_image(questions[0]):
            given["images"] = list(map(self._shown, questions))
        # As in transformers: the template writes the special tokens, except that of some processors.
        begins = self.tokenizer.bos_token is not None and texts[0].startswith(self.tokenizer.bos_token)
        encoded = self.processor(**given, add_special_tokens=self._reads_images and not begins)
        return {name: self._moved(value) for name, value in encoded.items()}

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)

    def _messages(self, question: Question, has_system: bool = True) -> list[dict[str, Any]]:
        parts = [(images, self._as_text(text)) for images, text in question.parts]
        if not has_system:
            parts[0] = parts[0][0], f"{question.instructions}\n\n{parts[0][1]}"
        system: Any = question.instructions
        content: Any = "\n\n".join(text for _, text in parts)
        if self._reads_images:
            system = [{"type": "text", "text": question.instructions}]
            content = []
            for images, text in parts:
                content += [{"type": "image"} for _ in images]
                content.append({"type": "text", "text": text})
        user = {"role": "user", "content": content}
        return [{"role": "system", "content": system}, user] if has_system else [user]

    def _shown(self, question: Question) -> list[Image.Image]:
        return [self._scaled(image) for images, _ in question.parts for image in images]

    def _scaled(self, image: Image.Image) -> Image.Image:
        image = image.copy()
        image.thumbnail((self.max_image_side, self.max_image_side), Image.Resampling.BICUBIC)
        return image

    def _image_sizes(self, questions: Sequence[Question], inputs: Any) -> list[tuple[int, int] | None]:
        """The size in which the model sees a post's first image: Qwen-VL names boxes in pixels of its resized image."""
        if not self._has_image(questions[0]):
            return [None] * len(questions)
        sizes = [[image.size for image in self._shown(each)] for each in questions]
        if "image_grid_thw" in inputs:
            side = self.processor.image_processor.patch_size
            grids = iter([(width * side, height * side) for _, height, width in inputs["image_grid_thw"].tolist()])
            sizes = [[next(grids) for _ in each] for each in sizes]
        return [own[-len(each.images)] if each.images else None for each, own in zip(questions, sizes, strict=True)]

    def _as_text(self, text: str) -> str:
        """Break up the tokens that the chat template and the image processor use, wherever a post contains one."""
        for token in self._reserved:
            text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _ends(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return {end for end in (*ends, self.tokenizer.eos_token_id, self.tokenizer.pad_token_id) if end is not None}


def load_chat_model(name: str, revision: str | None, dtype: str, attn_implementation: str | None) -> tuple[Any, Any]:
    """Load a model with its processor, or with its tokenizer if it reads text only.

    Returns:
        A ``transformers`` model in evaluation mode, and a processor or tokenizer with a chat template.

    Raises:
        WeightsNotFoundError: If one of them is neither on disk nor reachable.
        ConfigurationError: If the model does not generate text, or there is no chat template.
    """
    from transformers import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoProcessor,
        AutoTokenizer,
    )

    source = resolve_weights(name)
    given = {"revision": revision, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(source, **given)
        if type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            classes: tuple[Any, Any] = (AutoModelForImageTextToText, AutoProcessor)
        elif type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
            classes = (AutoModelForCausalLM, AutoTokenizer)
        else:
            raise ConfigurationError(
                f"{name} is a {config.model_type}, which does not generate text; choose a chat model such as "
                "Qwen/Qwen3-VL-4B-Instruct or HuggingFaceTB/SmolVLM-Instruct"
            )
        model_class, processor_class = classes
        processor = processor_class.from_pretrained(source, **given)
        with quiet_loading():
            model = model_class.from_pretrained(
                source, dtype=dtype, attn_implementation=attn_implementation, **given
            ).eval()
    except ImportError as error:  # as the processor of SmolVLM, which needs num2words
        raise ConfigurationError(f"{name} needs a package that is not installed: {summary(error)}") from error
    except (OSError, ValueError) as error:
        raise WeightsNotFoundError(
            f"cannot load the chat model {name!r}: {summary(error)} Without a network give a folder that "
            "contains config.json, the weights, the tokenizer's files and, if it reads images, its processor's"
        ) from error
    if not getattr(processor, "chat_template", None):
        raise ConfigurationError(f"{name} has no chat template; choose a model that was tuned to follow instructions")
    return model, processor


def _reserved_tokens(tokenizer: Any, processor: Any) -> list[str]:
    """The special tokens and image placeholders, longest first."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    placeholders = {f"{getattr(processor, name, None) or ''}" for name in ("image_token", "video_token")}
    reserved = {*added, *tokenizer.all_special_tokens, *placeholders}
    # Not tokens of white space or letters only, which some tokenizers add: those are not markers.
    return sorted(
        (token for token in reserved if len(token) > 1 and token.strip(" \n\t_") and not token.isalnum()),
        key=len,
        reverse=True,
    )
