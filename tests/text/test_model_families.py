"""Tiny models of every family on the page about text encoders: accepted or refused, as the page says."""

import json
import re
from pathlib import Path

import pytest
import torch

from mner.batch import Batch
from mner.errors import ConfigurationError
from mner.posts import Post
from mner.text import HuggingFaceText
from mner.text.int8_linear import Int8Linear
from mner.text.token_scaled_linear import scale_tokens

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "text_encoders.md"
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
NARROW = {**SIZES, "embedding_size": 8}
MOBILE = {**NARROW, "true_hidden_size": 8, "intra_bottleneck_size": 8, "num_feedforward_networks": 1}
RELATIVE = {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
GPT = {"n_embd": 16, "n_layer": 1, "n_head": 2}
SIDES = ("layers", "attention_heads", "ffn_dim")
TRANSLATOR = {"d_model": 16, **{f"{part}_{name}": 2 for part in ("encoder", "decoder") for name in SIDES}}
GROUPS = dict.fromkeys(("q_groups", "k_groups", "v_groups", "post_attention_groups", "output_groups"), 1)
SPECIAL_IDS = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
MODERN = {**SIZES, **SPECIAL_IDS, "num_hidden_layers": 2}  # one of each kind, which transformers 5.9 needs
FUNNEL = {
    **{"d_model": 16, "block_sizes": [1, 1], "block_repeats": [1, 1], "n_head": 2, "d_head": 8, "d_inner": 32},
    "architectures": ["FunnelModel"],
}
FLAVA = {"hidden_size": 16, **{f"{part}_config": SIZES for part in ("text", "image", "multimodal")}}
REFORMER = {
    **{"hidden_size": 16, "attention_head_size": 8, "num_attention_heads": 2, "feed_forward_size": 32},
    **{"attn_layers": ["local"], "axial_pos_shape": [4, 4], "axial_pos_embds_dim": [8, 8]},
}

ACCEPTED = {
    "BERT": ("bert", SIZES),
    "DistilBERT": ("distilbert", {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}),
    "ELECTRA": ("electra", NARROW),
    "ALBERT": ("albert", NARROW),
    "MPNet": ("mpnet", SIZES),
    "RoFormer": ("roformer", {**SIZES, "embedding_size": 16}),
    "SqueezeBERT": ("squeezebert", {**SIZES, **GROUPS, "embedding_size": 16, "intermediate_groups": 1}),
    "LayoutLM": ("layoutlm", SIZES),
    "NomicBERT": ("nomic_bert", SIZES),
    "Jina v3": ("jina_embeddings_v3", SIZES),
    "GTE": ("gte", SIZES),
    "Megatron-BERT": ("megatron-bert", SIZES),
    "ERNIE": ("ernie", SIZES),
    "I-BERT": ("ibert", SIZES),
    "data2vec": ("data2vec-text", SIZES),
    "RoBERTa-PreLayerNorm": ("roberta-prelayernorm", SIZES),
    "Splinter": ("splinter", SIZES),
    "FlauBERT": ("flaubert", {"emb_dim": 16, "n_layers": 1, "n_heads": 2}),
    "XLM": ("xlm", {"emb_dim": 16, "n_layers": 1, "n_heads": 2}),
    "RoBERTa": ("roberta", SIZES),
    "DeBERTa": ("deberta", RELATIVE),
    "ModernBERT": ("modernbert", MODERN),
    "Longformer": ("longformer", {**SIZES, "attention_window": 8}),
    "EuroBERT": ("eurobert", GROUPED),
    "mmBERT": ("modernbert", MODERN),
    "bidirectional Gemma 3": ("gemma3_text", {**GROUPED, "use_bidirectional_attention": True}),
    "XLM-R": ("xlm-roberta", SIZES),
    "XLM-R XL": ("xlm-roberta-xl", SIZES),
    "CamemBERT": ("camembert", SIZES),
    "DeBERTa-v3": ("deberta-v2", RELATIVE),
    "RemBERT": ("rembert", {**SIZES, "input_embedding_size": 8}),
    "BigBird": ("big_bird", {**SIZES, "block_size": 4, "num_random_blocks": 1}),
    "XLNet": ("xlnet", {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32}),
    "LUKE": ("luke", {**SIZES, "entity_emb_size": 8, "entity_vocab_size": 5}),
    "VisualBERT": ("visual_bert", {**SIZES, "visual_embedding_dim": 8}),
    "MarkupLM": ("markuplm", {**SIZES, "xpath_unit_hidden_size": 4, "max_depth": 3}),
    "T5": ("t5", T5),
    "mT5": ("mt5", T5),
    "UMT5": ("umt5", T5),
}
REFUSED = {
    "GPT-2": ("gpt2", GPT, "causal"),
    "Llama": ("llama", GROUPED, "causal"),
    "Mistral": ("mistral", GROUPED, "causal"),
    "Qwen": ("qwen3", GROUPED, "causal"),
    "Gemma": ("gemma3_text", GROUPED, "causal"),
    "OPT": ("opt", {**SIZES, "ffn_dim": 32, "word_embed_proj_dim": 16}, "causal"),
    "GPT-NeoX": ("gpt_neox", SIZES, "causal"),
    "BLOOM": ("bloom", {"hidden_size": 16, "n_layer": 1, "n_head": 2}, "causal"),
    "Mamba": ("mamba", {"hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}, "causal"),
    "the ModernBERT decoder": ("modernbert-decoder", MODERN, "causal"),
    "CLIP's text part": ("clip_text_model", SIZES, "causal"),
    "BART": ("bart", TRANSLATOR, "generates text"),
    "mBART": ("mbart", TRANSLATOR, "generates text"),
    "Pegasus": ("pegasus", TRANSLATOR, "generates text"),
    "LED": ("led", {**TRANSLATOR, "attention_window": 8}, "generates text"),
    "LongT5": ("longt5", {**T5, "num_decoder_layers": 1}, "generates text"),
    "ConvBERT": ("convbert", NARROW, "output depends on padding"),
    "MobileBERT": ("mobilebert", MOBILE, "output depends on padding"),
    "FNet": ("fnet", SIZES, "output depends on padding"),
    "YOSO": ("yoso", SIZES, "compiled code from the model hub"),
    "Nyströmformer": ("nystromformer", {**SIZES, "num_landmarks": 8}, "fails on a row of plain text"),
    "Reformer": ("reformer", REFORMER, "fails on a row of plain text"),
    "Funnel": ("funnel", FUNNEL, "output depends on padding"),
    "MRA": ("mra", SIZES, "compiled code from the model hub"),
    "ViLT": ("vilt", {**SIZES, "image_size": 8, "patch_size": 4}, "which reads images"),
    "LXMERT": ("lxmert", {**SIZES, "l_layers": 1, "x_layers": 1, "r_layers": 1}, "take an LxmertText"),
    "FLAVA": ("flava", FLAVA, "(?i)flava"),
    "LayoutLMv3": ("layoutlmv3", SIZES, "fails on a row of plain text"),
    "LiLT": ("lilt", SIZES, "fails on a row of plain text"),
    "CANINE": ("canine", SIZES, "does not read subwords"),
}
# Of these the config is enough.
CONFIG_REFUSED = (
    *("CLIP", "SigLIP", "ModernVBERT", "SigLIP's text part", "FLAVA's text part"),
    *("BLIP", "AltCLIP", "ChineseCLIP", "BridgeTower", "Florence-2"),
    *("LLaVA", "Qwen2-VL", "PaliGemma", "BLIP-2", "Idefics3"),
)
TYPES = {
    **{"SigLIP's text part": "siglip_text_model", "FLAVA's text part": "flava_text_model"},
    **{"ChineseCLIP": "chinese_clip", "Florence-2": "florence2", "Qwen2-VL": "qwen2_vl"},
}


def listed():
    """The names of the families in the table of the page, with whether it says that they are accepted."""
    table = PAGE.read_text(encoding="utf-8").partition("## Model families")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    return {name.strip(): row[1] for row in rows for name in re.split(r", | and (?=[A-Z])", row[0])}


def test_the_page_lists_what_is_tested_here():
    said = listed()
    assert {name for name, verdict in said.items() if verdict == "yes"} == {*ACCEPTED}
    assert {name for name, verdict in said.items() if verdict == "no"} == {*REFUSED, *CONFIG_REFUSED}
    assert {*said.values()} == {"yes", "no", "converted"}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_encoder_is_accepted(save, name):
    encoder = HuggingFaceText(save(*ACCEPTED[name])).eval()
    long = Post("long", tuple("abcdefghij" * 20))
    assert encoder.hidden_size == 16
    tensors = encoder.subword_tokenizer([long])
    assert tensors["input_ids"].shape[1] <= 64
    with torch.no_grad():
        features = encoder(Batch(posts=[long], **tensors))
    assert features.words.isfinite().all()
    assert features.words[0].any(dim=-1).all()
    short = Post("short", tuple("abcdefg"))
    alone, together = (
        encoder.pool(encoder.encode_subwords(batch), batch).words[0, :7].detach()
        for posts in ([short], [short, long])
        for batch in [Batch(posts=posts, **encoder.subword_tokenizer(posts))]
    )
    assert torch.allclose(alone, together, atol=1e-4 * alone.abs().max())
    frozen = {name for name, weight in encoder.named_parameters() if not weight.requires_grad}
    features = encoder.requires_grad_(True)(Batch(posts=[long], **tensors))
    (features.words * torch.randn_like(features.words)).sum().backward()
    assert {name for name, weight in encoder.named_parameters() if weight.grad is None} == frozen  # as ddp needs it
    scale_tokens(encoder, Int8Linear)
    assert not any(type(module) is torch.nn.Linear for module in encoder.modules())
    with torch.no_grad():
        difference = encoder(Batch(posts=[long], **tensors)).words - features.words
    assert difference.abs().max() < 0.1 * features.words.abs().max()


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsuitable_model_is_refused_with_the_reason(save, name):
    kind, settings, reason = REFUSED[name]
    folder = save(kind, settings)
    with pytest.raises(ConfigurationError, match=reason):
        HuggingFaceText(folder)


@pytest.mark.parametrize("name", CONFIG_REFUSED)
def test_a_model_of_text_and_images_is_refused(config_of, tmp_path, name):
    config_of(TYPES.get(name, name.lower())).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        HuggingFaceText(str(tmp_path))
    assert "network" not in str(caught.value)
    assert "Unrecognized" not in str(caught.value)


# "Nike is in Oslo": the final piece of a word is followed by a space in BERTweet's vocabulary, the others by "@@".
LETTERS = sorted(set("NOikesno#@dalv!"))
PIECES = [*LETTERS, *(f"{letter}@@" for letter in LETTERS), "is", "Ni@@", "Nik@@", "Nike", "Os@@", "lo"]
MERGES = ["i s</w>", "N i", "Ni k", "Nik e</w>", "O s", "l o</w>"]


@pytest.fixture
def bertweet(save, tmp_path):
    """A tiny RoBERTa with the files of BERTweet's own tokenizer, and that tokenizer."""
    from transformers import BertweetTokenizer

    folder = Path(save("roberta", {**SIZES, "vocab_size": 80, "pad_token_id": 1, "max_position_embeddings": 66}))
    for path in folder.glob("*token*"):
        path.unlink()
    (folder / "vocab.txt").write_text("".join(f"{piece} 1\n" for piece in PIECES), "utf-8")
    (folder / "bpe.codes").write_text("".join(f"{merge} 1\n" for merge in MERGES), "utf-8")
    slow = BertweetTokenizer(str(folder / "vocab.txt"), str(folder / "bpe.codes"), model_max_length=64)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertweetTokenizer", "model_max_length": 64}), "utf-8"
    )
    return folder, slow


def test_bertweet_with_a_tokenizer_json_has_the_subwords_of_its_own_tokenizer(bertweet):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder, slow = bertweet
    vocabulary = {
        piece
        if index < 4 or index == slow.mask_token_id
        else piece[:-2]
        if piece[-2:] == "@@"
        else f"{piece}</w>": index
        for piece, index in slow.get_vocab().items()
    }
    merges = [tuple(merge.split()) for merge in MERGES]
    fast = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", end_of_word_suffix="</w>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    fast.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    fast.save(str(folder / "tokenizer.json"))
    encoder = HuggingFaceText(str(folder))
    for text in ("Nike is in Oslo", "Oslo Nikes # @dana ! Ni"):
        found = encoder.subword_tokenizer([Post("1", tuple(text.split()))])["input_ids"][0].tolist()
        assert found == slow(text)["input_ids"]
