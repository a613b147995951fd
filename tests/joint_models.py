"""Tiny random VisualBERTs, LXMERTs and ModernVBERTs, saved as the public ones are."""

import torch

FAKE, IMAGE, GLOBAL = "<fake_token_around_image>", "<image>", "<global-img>"


def save_visualbert(folder, region_size):
    """A VisualBERT with heads, an old buffer and no tokenizer."""
    from transformers import VisualBertConfig, VisualBertForPreTraining

    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = VisualBertConfig(
        vocab_size=60, max_position_embeddings=64, visual_embedding_dim=region_size, pad_token_id=1, **shape
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = VisualBertForPreTraining(config)
    config.architectures = ["VisualBertForPreTraining"]
    config.save_pretrained(folder)
    old_buffer = {"visual_bert.embeddings.position_ids": torch.arange(64)[None]}
    torch.save({**model.state_dict(), **old_buffer}, folder / "pytorch_model.bin")
    return model.visual_bert.eval()


def save_lxmert(folder, text_encoder_folder):
    """A tiny LXMERT of regions 6 wide, with the tokenizer of the tiny BERT."""
    from transformers import AutoTokenizer, LxmertConfig, LxmertModel

    shape = {"l_layers": 2, "r_layers": 1, "x_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = LxmertConfig(vocab_size=60, hidden_size=16, visual_feat_dim=6, max_position_embeddings=64, **shape)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = LxmertModel(config)
        for parameter in model.parameters():  # the published start is too small to see an image
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.3)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(text_encoder_folder).save_pretrained(folder)
    return model.eval()


def save_modernvbert(folder):
    """A tiny ModernVBERT as it is published: byte-level subwords, special tokens for images, an image processor."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import Idefics3ImageProcessor, ModernVBertConfig, ModernVBertModel, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]", *alphabet, "Ġa", FAKE, IMAGE, GLOBAL]
    backend = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, [("Ġ", "a")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", [("[CLS]", 0), ("[SEP]", 2)]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "pad", "sep", "unk", "mask")}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=128, additional_special_tokens=[FAKE, IMAGE, GLOBAL], **names
    )
    shape = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    ids = {"pad_token_id": 1, "cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
    text = {"model_type": "modernbert", "hidden_size": 16, "vocab_size": len(pieces), "max_position_embeddings": 128}
    text |= {**shape, **ids, "local_attention": 8, "global_attn_every_n_layers": 2}
    vision = {"model_type": "siglip_vision_model", "hidden_size": 8, "image_size": 32, "patch_size": 4, **shape}
    config = ModernVBertConfig(text_config=text, vision_config=vision, image_token_id=pieces.index(IMAGE))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = ModernVBertModel(config)
        for parameter in model.parameters():  # the published start is too small to see an image
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Idefics3ImageProcessor(max_image_size={"longest_edge": 32}, image_mean=[0.4] * 3).save_pretrained(folder)
    return model.eval()
