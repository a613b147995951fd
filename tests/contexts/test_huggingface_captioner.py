import string

import numpy as np
import pytest
import torch
from PIL import Image

from mner.contexts import HuggingFaceCaptioner
from mner.errors import ConfigurationError, WeightsNotFoundError

TEXT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}
VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 16,
    "patch_size": 8,
}
PIECES = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}


def blip():
    from transformers import BlipConfig, BlipForConditionalGeneration

    text = {**TEXT, "encoder_hidden_size": 16, "sep_token_id": 3, **PIECES}
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=VISION, image_text_hidden_size=16))


def git():
    from transformers import GitConfig, GitForCausalLM

    return GitForCausalLM(GitConfig(vision_config=VISION, **TEXT, **PIECES))


def vit_gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel, VisionEncoderDecoderModel, ViTConfig, ViTModel

    decoder = GPT2Config(
        vocab_size=40,
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=32,
        add_cross_attention=True,
        is_decoder=True,
        **PIECES,
    )
    model = VisionEncoderDecoderModel(encoder=ViTModel(ViTConfig(**VISION)), decoder=GPT2LMHeadModel(decoder))
    for config in (model.config, model.generation_config):
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 0, 3
    return model


def save_parts(folder, image_processor=True):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, ViTImageProcessor

    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    pieces = [*names.values(), *string.ascii_lowercase, *(f"w{index}" for index in range(10))]
    tokenizer = Tokenizer(models.WordLevel({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    if image_processor:
        ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)


def pictures(count=3):
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 255, (20, 12 + 4 * index, 3), dtype=np.uint8)) for index in range(count)
    ]


@pytest.mark.parametrize("build", [blip, git, vit_gpt2])
def test_it_writes_what_the_model_generates(tmp_path, build):
    torch.manual_seed(0)
    build().save_pretrained(tmp_path)
    save_parts(tmp_path)
    captioner = HuggingFaceCaptioner(str(tmp_path), max_new_tokens=6, num_beams=2)
    captions = captioner(pictures())
    assert len(captions) == 3
    assert any(captions)
    assert not any(special in caption for caption in captions for special in ("[", "]", "  "))
    assert captions == captioner(pictures())
    assert captions[1:2] == captioner(pictures()[1:2])

    pixels = captioner.image_processor(images=pictures(), return_tensors="pt")["pixel_values"]
    pieces = captioner.model.generate(pixel_values=pixels, max_new_tokens=6, num_beams=2)
    expected = captioner.tokenizer.batch_decode(pieces, skip_special_tokens=True)
    assert captions == [" ".join(caption.split()) for caption in expected]


def test_a_model_of_another_kind_is_refused(tiny_text_encoder_folder):
    with pytest.raises(ConfigurationError, match="a bert, which does not turn images into text"):
        HuggingFaceCaptioner(str(tiny_text_encoder_folder))


def test_missing_models_and_parts_say_what_to_do(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="Without a network give a folder"):
        HuggingFaceCaptioner("nobody/no-such-captioner")
    torch.manual_seed(0)
    vit_gpt2().save_pretrained(tmp_path)
    save_parts(tmp_path, image_processor=False)
    with pytest.raises(WeightsNotFoundError, match="preprocessor_config"):
        HuggingFaceCaptioner(str(tmp_path))
