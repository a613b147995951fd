"""Tiny random chat models of the real classes, with processor and chat template, as a user's folder contains them."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

SPECIALS = {
    "qwen": [
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ],
    "llava": ["<s>", "</s>", "<pad>", "<image>"],
    "idefics": [
        *("<|im_start|>", "<end_of_utterance>", "<image>", "<fake_token_around_image>", "<global-img>"),
        *(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)),
    ],
    "llama": ["<s>", "</s>"],
}
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# As Mistral's and Gemma's: no system messages.
LLAVA_TEMPLATE = (
    "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }}{% endif %}"
    "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
IDEFICS_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %} {{ part.text }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
LLAMA_TEMPLATE = (
    "{% for message in messages %}[{{ message.role }}]{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


def tokenizer(family, **names):
    """A tokenizer of bytes, with the special tokens of a family."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token=None))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    made.add_special_tokens({"additional_special_tokens": SPECIALS[family]})
    return made


def save(model, processor, folder):
    """Write a folder as the hub has it, with an answer of a few tokens before the end."""
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def qwen2_5_vl(folder):
    """Qwen2.5-VL."""
    names = tokenizer("qwen", eos_token="<|im_end|>", pad_token="<|endoftext|>")
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "out_hidden_size": 16,
        "fullatt_block_indexes": [0],
    }
    config = Qwen2_5_VLConfig(
        text_config={**TEXT, "vocab_size": len(names), "rope_parameters": _mrope([1, 1, 2])},
        vision_config=vision,
        bos_token_id=None,
        eos_token_id=names.eos_token_id,
        **_qwen_ids(names),
    )
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56),
        names,
        Qwen2VLVideoProcessor(),
        chat_template=QWEN_TEMPLATE,
    )
    return save(Qwen2_5_VLForConditionalGeneration(config), processor, folder)


def qwen3_vl(folder):
    """Qwen3-VL."""
    names = tokenizer("qwen", eos_token="<|im_end|>", pad_token="<|endoftext|>")
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "out_hidden_size": 16,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 16,
        "patch_size": 16,
    }
    config = Qwen3VLConfig(
        text_config={**TEXT, "head_dim": 8, "vocab_size": len(names), "rope_parameters": _mrope([1, 1, 2])},
        vision_config=vision,
        **_qwen_ids(names),
    )
    image_processor = Qwen2VLImageProcessor(patch_size=16, min_pixels=32 * 32, max_pixels=64 * 64)
    processor = Qwen3VLProcessor(image_processor, names, Qwen3VLVideoProcessor(), chat_template=QWEN_TEMPLATE)
    return save(Qwen3VLForConditionalGeneration(config), processor, folder)


def llava(folder):
    """LLaVA 1.5."""
    names = tokenizer("llava", bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    config = LlavaConfig(
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
            "projection_dim": 16,
        },
        text_config={**TEXT, "model_type": "llama", "vocab_size": len(names)},
        image_token_index=names.convert_tokens_to_ids("<image>"),
        image_token_id=names.convert_tokens_to_ids("<image>"),
    )
    image_processor = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    processor = LlavaProcessor(
        image_processor,
        names,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    return save(LlavaForConditionalGeneration(config), processor, folder)


def idefics3(folder):
    """Idefics3."""
    names = tokenizer("idefics", eos_token="<end_of_utterance>", pad_token="<end_of_utterance>")
    config = Idefics3Config(**_idefics_parts(names))
    image_processor = Idefics3ImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    processor = Idefics3Processor(image_processor, names, image_seq_len=4, chat_template=IDEFICS_TEMPLATE)
    return save(Idefics3ForConditionalGeneration(config), processor, folder)


def smolvlm(folder):
    """SmolVLM, whose processor needs ``num2words`` for videos."""
    names = tokenizer("idefics", eos_token="<end_of_utterance>", pad_token="<end_of_utterance>")
    names.image_token, names.fake_image_token, names.global_image_token = (
        "<image>",
        "<fake_token_around_image>",
        "<global-img>",
    )
    names.image_token_id = names.convert_tokens_to_ids("<image>")
    config = SmolVLMConfig(**_idefics_parts(names))
    image_processor = SmolVLMImageProcessor(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    processor = SmolVLMProcessor(
        image_processor, names, SmolVLMVideoProcessor(), image_seq_len=4, chat_template=IDEFICS_TEMPLATE
    )
    return save(SmolVLMForConditionalGeneration(config), processor, folder)


def llama(folder):
    """A model that reads text only."""
    names = tokenizer("llama", bos_token="<s>", eos_token="</s>")
    names.chat_template = LLAMA_TEMPLATE
    return save(LlamaForCausalLM(LlamaConfig(**TEXT, vocab_size=len(names))), names, folder)


BUILDERS = {builder.__name__: builder for builder in (qwen2_5_vl, qwen3_vl, llava, idefics3, smolvlm, llama)}


def build(name, folder):
    """Build a model with fixed random weights; return its folder."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BUILDERS[name](folder)


def _mrope(section):
    return {"rope_type": "default", "mrope_section": section, "rope_theta": 10000.0}


def _qwen_ids(names):
    return {
        "image_token_id": names.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": names.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": names.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": names.convert_tokens_to_ids("<|vision_end|>"),
    }


def _idefics_parts(names):
    return {
        "vision_config": {
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        "text_config": {**TEXT, "model_type": "llama", "vocab_size": len(names), "pad_token_id": names.pad_token_id},
        "image_token_id": names.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
    }
