"""A whole model of texts and images is no text encoder: the message says which part to use."""

import pytest
import timm

from mner.errors import ConfigurationError, RegistryError
from mner.text import HuggingFaceText, VisualBertText
from mner.vision import create_image_encoder

TEXT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
VISION = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "image_size": 8}
TOWERS = {"text_config": TEXT, "vision_config": {**VISION, "patch_size": 4}}
NO_TEXT_PART = ("blip", "altclip", "chinese_clip", "bridgetower", "florence2", "mllama")
TEXT_PARTS = {
    **{"llava": "LlamaModel", "paligemma": "GemmaModel", "qwen2_vl": "Qwen2VLTextModel", "blip-2": "OPTModel"},
    **{"idefics3": "LlamaModel", "ovis2": "Qwen2Model", "vision-text-dual-encoder": "BertModel"},
}
MODELS = {
    "clip": (TOWERS, "is causal .* vit_base_patch32_clip_224"),
    "siglip": (TOWERS, "64 subwords; .* vit_base_patch16_siglip_224"),
    "siglip2": ({"text_config": TEXT}, "64 subwords; .* vit_base_patch16_siglip_224"),
    "flava": ({"text_config": TEXT}, "does not load its text part alone"),
    "vilt": ({**TEXT, "image_size": 8, "patch_size": 4}, "40 subwords together with pixels; take a ModernVBertText"),
    "modernvbert": ({}, "take a ModernVBertText"),
    **{kind: ({}, "such as BERT, and for images an image_encoder of timm") for kind in NO_TEXT_PART},
    **{kind: ({}, f"give a folder with its text part, {part},") for kind, part in TEXT_PARTS.items()},
}


@pytest.mark.parametrize("encoder", [HuggingFaceText, VisualBertText])
@pytest.mark.parametrize("model_type", MODELS)
def test_the_part_to_use_is_named(model_type, encoder, tmp_path):
    from transformers import AutoConfig

    options, said = MODELS[model_type]
    if model_type == "vision-text-dual-encoder":
        options = {"text_config": {"model_type": "bert"}, "vision_config": {"model_type": "vit"}}
    AutoConfig.for_model(model_type, **options).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match=f"which reads images; .*{said}"):
        encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("openai/clip-vit-base-patch32", "its image part is vit_base_patch32_clip_224 of timm"),
        ("google/siglip2-base-patch16-224", "its image part is vit_base_patch16_siglip_224 of timm"),
        ("facebook/flava-full", "does not load its image part alone; take a network of timm"),
        ("dandelin/vilt-b32-mlm", "take a ModernVBertText as text_encoder"),
        ("unc-nlp/lxmert-base-uncased", "give it as the text_encoder, an LxmertText"),
    ],
)
def test_the_part_to_use_as_image_encoder_is_named(name, said):
    with pytest.raises(RegistryError, match=f"names a model of text and images, .*{said}"):
        create_image_encoder(name)


def test_the_named_image_towers_exist():
    assert all(
        timm.is_model(name)
        for name in ("vit_base_patch32_clip_224", "vit_base_patch16_siglip_224", "vit_base_patch16_224")
    )
