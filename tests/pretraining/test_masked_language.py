"""Masked language modelling: the loss, the tied head, what is read, what is left, and how it trains."""

import sys

import pytest
import torch
from pytorch_lightning import seed_everything
from torch.nn.functional import log_softmax
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from mner.data import PostFiles, Twitter2017
from mner.data.unlabelled import read_unlabelled
from mner.errors import DataError
from mner.pretraining import MaskedLanguageModel
from mner.text import HuggingFaceText
from mner.training import Optimization

MODERNBERT = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},  # transformers 5.9 needs both kinds
    **{"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0},
}


@pytest.fixture(scope="module")
def language_model_folder(tiny_text_encoder_folder, tmp_path_factory):
    """The tiny encoder's architecture with other weights and a language-model head, as BERT is published."""
    folder = tmp_path_factory.mktemp("language_model")
    for path in tiny_text_encoder_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    torch.manual_seed(7)
    model = BertForMaskedLM(BertConfig.from_pretrained(tiny_text_encoder_folder))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def inputs(batch):
    return {name: getattr(batch, name) for name in ("input_ids", "attention_mask", "token_type_ids")}


def test_the_loss_equals_a_loop(make_masked, sample_posts):
    model = make_masked(mask_rate=0.4).eval()
    batch = model.preprocessor(sample_posts)
    noise = model.masking.training_noise(batch)
    found = model.objectives(batch, noise)["masked_language"]
    ids, targets = model.masking(batch, noise)
    total, count = 0.0, 0
    embeddings = model.text_encoder.model.embeddings.word_embeddings.weight
    for row in range(len(ids)):
        length = int(batch.attention_mask[row].sum())
        states = model.text_encoder.model(
            input_ids=ids[row : row + 1, :length], token_type_ids=batch.token_type_ids[row : row + 1, :length]
        ).last_hidden_state[0]
        for place in range(length):
            if targets[row, place] >= 0:
                state = torch.nn.functional.gelu(model.head.dense(states[place]))
                scores = embeddings @ model.head.norm(state) + model.head.bias
                total -= log_softmax(scores, dim=0)[targets[row, place]].item()
                count += 1
    assert found.count == count > 5
    assert found.loss.item() == pytest.approx(total, rel=1e-4)
    model.log = model.log_dict = lambda *_, **__: None
    model.masking.training_noise = lambda batch: noise
    assert model.training_step(batch, 0).item() == pytest.approx(total / count, rel=1e-4)


def test_a_batch_in_which_nothing_is_hidden_teaches_nothing(make_masked, sample_posts):
    model = make_masked()
    batch = model.preprocessor(sample_posts)
    model.log = lambda *_, **__: None
    model.masking.training_noise = lambda batch: torch.ones(*batch.input_ids.shape, 3)
    loss = model.training_step(batch, 0)
    loss.backward()
    assert loss == 0
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def test_the_head_is_tied_to_the_embeddings(make_masked, sample_posts):
    model = make_masked()
    embeddings = model.text_encoder.model.get_input_embeddings().weight
    assert sum(parameter.shape == embeddings.shape for parameter in model.parameters()) == 1
    states = torch.randn(3, 16)
    before = model.head(states, embeddings)
    with torch.no_grad():
        embeddings[7] += 1.0
    changed = (model.head(states, embeddings) != before).any(dim=0)
    assert changed.nonzero().flatten().tolist() == [7]


def test_a_pretrained_head_is_used(make_masked, language_model_folder, sample_posts):
    model = make_masked(language_model_folder).eval()
    assert model.head_is_pretrained
    peer = AutoModelForMaskedLM.from_pretrained(language_model_folder).eval()
    batch = model.preprocessor(sample_posts)
    states = model.text_encoder.encode_subwords(batch).flatten(0, 1)
    scores = model.head(states, model.text_encoder.model.get_input_embeddings().weight)
    real = batch.attention_mask.bool()
    torch.testing.assert_close(scores.view(*real.shape, -1)[real], peer(**inputs(batch)).logits[real])
    assert not make_masked().head_is_pretrained


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("distilbert", {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}),
        ("electra", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "embedding_size": 8}),
        ("albert", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "embedding_size": 8}),
        ("bert", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": False}),
        ("modernbert", MODERNBERT),
        ("modernbert", {**MODERNBERT, "classifier_bias": True, "norm_bias": True, "classifier_activation": "relu"}),
        ("modernbert", {**MODERNBERT, "decoder_bias": False}),
    ],
)
def test_heads_of_berts_kin(kind, sizes, make_masked, tiny_text_encoder_folder, sample_posts, tmp_path):
    folder = tmp_path / kind
    tokenizer = AutoTokenizer.from_pretrained(tiny_text_encoder_folder)
    tokenizer.save_pretrained(folder)
    positions = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "intermediate_size": 32}
    peer = AutoModelForMaskedLM.from_config(AutoConfig.for_model(kind, **{**positions, **sizes}))
    for parameter in peer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    peer.save_pretrained(folder)
    model = make_masked(folder).eval()
    tied = sizes.get("tie_word_embeddings", True)
    assert model.head_is_pretrained is tied  # what is tied to the embeddings cannot take over what is not
    batch = model.preprocessor(sample_posts)
    segments = kind not in ("distilbert", "modernbert")
    read = {name: value for name, value in inputs(batch).items() if segments or name != "token_type_ids"}
    scores = model.head(
        model.text_encoder.encode_subwords(batch), model.text_encoder.model.get_input_embeddings().weight
    )
    real = batch.attention_mask.bool()
    if tied:
        torch.testing.assert_close(scores[real], peer.eval()(**read).logits[real], rtol=1e-4, atol=1e-4)
    again = AutoModelForMaskedLM.from_pretrained(model.export(tmp_path / "encoder")).eval()
    torch.testing.assert_close(again(**read).logits[real], scores[real], rtol=1e-4, atol=1e-4)


def test_the_folder_it_leaves_is_hugging_faces(make_masked, sample_posts, tmp_path):
    model = make_masked().eval()
    torch.nn.init.normal_(model.head.bias)
    folder = model.export(tmp_path / "encoder")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    batch = model.preprocessor(sample_posts)
    states = model.text_encoder.encode_subwords(batch)
    torch.testing.assert_close(
        AutoModel.from_pretrained(folder).eval()(**inputs(batch)).last_hidden_state, states, rtol=0, atol=0
    )
    encoder = HuggingFaceText(str(folder)).eval()
    torch.testing.assert_close(encoder(batch).words, model.text_encoder(batch).words, rtol=0, atol=0)
    again = encoder.subword_tokenizer(sample_posts)
    assert all(torch.equal(again[name], getattr(batch, name)) for name in again)
    peer = AutoModelForMaskedLM.from_pretrained(folder).eval()
    scores = model.head(states, model.text_encoder.model.get_input_embeddings().weight)
    torch.testing.assert_close(peer(**inputs(batch)).logits, scores)
    assert make_masked(folder).head_is_pretrained
    with pytest.raises(DataError, match="already exists"):
        model.export(folder)


def test_a_checkpoint_builds_the_model_again(make_masked, language_model_folder, make_trainer, sample_posts, tmp_path):
    model = make_masked(language_model_folder, whole_words=True, contexts=["caption"])
    trainer = make_trainer()
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = MaskedLanguageModel.load_from_checkpoint(tmp_path / "model.ckpt")
    assert (again.masking.whole_words, again.preprocessor.contexts) == (True, ("caption",))
    assert not again.head_is_pretrained  # the weights' folder is not asked again
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name]), name


def test_perplexity_falls_on_memorised_posts(make_masked, make_trainer, twitter_folder):
    for name in ("{}.txt", "captions.{}.jsonl"):
        (twitter_folder / name.format("valid")).write_bytes((twitter_folder / name.format("train")).read_bytes())
    model = make_masked(optimization=Optimization(lr=1e-2, warmup_ratio=0.1), mask_rate=0.3)
    trainer = make_trainer(max_epochs=40)
    data = Twitter2017(twitter_folder, batch_size=10)
    (before,) = trainer.validate(model, data.using(model.preprocessor), verbose=False)
    (again,) = trainer.validate(model, data.using(model.preprocessor), verbose=False)
    assert before == again  # the masks are the same
    trainer.fit(model, data.using(model.preprocessor))
    (after,) = trainer.validate(model, data.using(model.preprocessor), verbose=False)
    assert before["val/perplexity"] > 30
    assert after["val/perplexity"] < 0.3 * before["val/perplexity"]
    assert after["val/perplexity"] == pytest.approx(torch.tensor(after["val/loss"]).exp().item(), rel=1e-4)


def test_perplexity_does_not_depend_on_the_batches(make_masked, make_trainer, shared_twitter_folder):
    model = make_masked()
    found = [
        make_trainer().validate(
            model, Twitter2017(shared_twitter_folder, batch_size=size).using(model.preprocessor), verbose=False
        )[0]
        for size in (1, 2, 5)
    ]
    for each in found[1:]:
        assert each == pytest.approx(found[0], rel=1e-4)


def test_extra_posts_are_trained_on(make_masked, make_trainer, shared_twitter_folder, tmp_path):
    (tmp_path / "raw.txt").write_text("good morning oslo\n\nso loud 😀 here\n", encoding="utf-8")
    tagged = tmp_path / "tagged.jsonl"
    tagged.write_text(
        '{"tokens": ["nike"], "label": ["B-brand"], "image_id": "1.jpg", "contexts": {"caption": "a shoe"}}\n',
        encoding="utf-8",
    )
    model, data = make_masked(), Twitter2017(shared_twitter_folder, batch_size=8)
    data.extra_posts = read_unlabelled([tmp_path / "raw.txt", tagged])
    seen = []
    step = model.training_step
    model.training_step = lambda batch, batch_idx: [seen.extend(batch.posts), step(batch, batch_idx)][1]
    make_trainer(max_epochs=1).fit(model, data.using(model.preprocessor))
    assert len(seen) == 23
    assert {post.words for post in seen} >= {("good", "morning", "oslo"), ("so", "loud", "😀", "here"), ("nike",)}
    assert [(post.tags, post.image, post.contexts) for post in seen if post.words == ("nike",)] == [
        (None, None, {"caption": "a shoe"})
    ]
    assert len(data.posts("valid")) == 5


def test_the_test_split_is_never_opened(make_masked, make_trainer, twitter_folder):
    opened = []
    sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
    (twitter_folder / "test.txt").write_bytes(b"\xff\xfe no post \x00")
    data = Twitter2017(twitter_folder, contexts=["caption"], batch_size=8)
    opened.clear()
    model = make_masked()
    make_trainer(max_epochs=1).fit(model, data.using(model.preprocessor))
    inside = {path.rpartition("/")[2] for path in opened if str(twitter_folder) in path}
    assert inside == {"train.txt", "captions.train.jsonl", "valid.txt", "captions.valid.jsonl"}


def test_posts_without_tags(make_masked, make_trainer, tmp_path):
    for split in ("train", "valid"):
        (tmp_path / f"{split}.jsonl").write_text(
            '{"text": "good morning Oslo"}\n{"tokens": ["so", "loud"]}\n', encoding="utf-8"
        )
    data = PostFiles(train=tmp_path / "train.jsonl", valid=tmp_path / "valid.jsonl")
    trainer = make_trainer(max_epochs=1)
    model = make_masked(mask_rate=0.5, contexts=[])
    trainer.fit(model, data.using(model.preprocessor))
    assert trainer.callback_metrics["val/perplexity"] > 1


def test_contexts_are_read_and_hidden(make_masked, sample_posts):
    model = make_masked(mask_rate=0.9)
    batch = model.preprocessor(sample_posts)
    _, targets = model.masking(batch, model.masking.training_noise(batch))
    assert (targets[batch.token_type_ids == 1] >= 0).any()


def test_bf16_mixed(make_masked, make_trainer, shared_twitter_folder):
    trainer = make_trainer(max_epochs=1, precision="bf16-mixed")
    model = make_masked()
    trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=8).using(model.preprocessor))
    assert trainer.callback_metrics["val/perplexity"].isfinite()
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_a_resumed_training_ends_with_the_same_weights(make_masked, make_trainer, shared_twitter_folder, tmp_path):
    def fit(model, path=None, **arguments):
        seed_everything(3, verbose=False)
        trainer = make_trainer(**arguments)
        trainer.fit(model, Twitter2017(shared_twitter_folder, batch_size=4).using(model.preprocessor), ckpt_path=path)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return model.state_dict()

    settings = {"optimization": Optimization(lr=1e-3, ema_decay=0.9, warmup_ratio=0.1)}
    whole = fit(make_masked(**settings), max_epochs=2)
    # Where the schedule ends is not to change, so the first part is cut off and not shortened.
    cut = make_masked(**settings)
    step = cut.training_step

    def interrupted(batch, batch_idx):
        if cut.trainer.global_step == 7:
            raise KeyboardInterrupt
        return step(batch, batch_idx)

    cut.training_step = interrupted
    seed_everything(3, verbose=False)
    trainer = make_trainer(max_epochs=2)
    with pytest.raises(SystemExit):
        trainer.fit(cut, Twitter2017(shared_twitter_folder, batch_size=4).using(cut.preprocessor))
    trainer.save_checkpoint(tmp_path / "cut.ckpt")
    resumed = fit(make_masked(**settings), tmp_path / "cut.ckpt", max_epochs=2)
    for name, weight in whole.items():
        torch.testing.assert_close(resumed[name], weight, rtol=0, atol=0, msg=name)


@pytest.mark.slow
def test_two_processes_find_the_perplexity_of_one(make_masked, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, batch_size=4)
    model = make_masked(optimization=Optimization(lr=1e-3, warmup_ratio=0.1), mask_rate=0.5)
    trainer = make_trainer(max_epochs=2, devices=2, strategy="ddp_fork")
    trainer.fit(model, data.using(model.preprocessor))
    (two,) = make_trainer(devices=2, strategy="ddp_fork").validate(model, data.using(model.preprocessor), verbose=False)
    (one,) = make_trainer().validate(model, data.using(model.preprocessor), verbose=False)
    assert two == pytest.approx(one, rel=1e-4)
    assert trainer.callback_metrics["val/perplexity"].item() == pytest.approx(one["val/perplexity"], rel=1e-4)
    (before,) = make_trainer().validate(make_masked(mask_rate=0.5), data, verbose=False)
    assert one["val/perplexity"] < before["val/perplexity"]
