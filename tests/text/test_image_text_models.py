"""A whole model of texts and images is no text encoder: the message says which part to use."""

import pytest
import timm

from mner.errors import ConfigurationError
from mner.text import HuggingFaceText, VisualBertText

TEXT = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
VISION = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "image_size": 8}
TOWERS = {"text_config": TEXT, "vision_config": {**VISION, "patch_size": 4}}
MODELS = {
    "clip": (TOWERS, "is causal .* vit_base_patch32_clip_224"),
    "siglip": (TOWERS, "64 subwords; .* vit_base_patch16_siglip_224"),
    "siglip2": ({"text_config": TEXT}, "64 subwords; .* vit_base_patch16_siglip_224"),
    "flava": ({"text_config": TEXT}, "does not load its text part alone"),
    "vilt": ({**TEXT, "image_size": 8, "patch_size": 4}, "40 subwords together with pixels; take a ModernVBertText"),
    "modernvbert": ({}, "take a ModernVBertText"),
}


@pytest.mark.parametrize("encoder", [HuggingFaceText, VisualBertText])
@pytest.mark.parametrize("model_type", MODELS)
def test_the_part_to_use_is_named(model_type, encoder, tmp_path):
    from transformers import AutoConfig

    options, said = MODELS[model_type]
    AutoConfig.for_model(model_type, **options).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match=f"which reads images; .*{said}"):
        encoder(str(tmp_path))


def test_the_named_image_towers_exist():
    assert all(timm.is_model(name) for name in ("vit_base_patch32_clip_224", "vit_base_patch16_siglip_224"))
