"""Pre-training with the image in view: captions told apart, objectives together and alone, and what is left."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import VisualBertConfig, VisualBertForPreTraining

from mner.data import Twitter2017
from mner.data.unlabelled import read_unlabelled
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError
from mner.posts import Post
from mner.pretraining import VisualLanguageModel
from mner.pretraining.captions import ANOTHERS, OWN, UNKNOWN, shuffle_captions
from mner.testing import TinyGrid
from mner.text import VisualBertText
from mner.vision import Grid

POSTS = [
    Post(f"{index}", ("good", "morning"), image=Path(f"{index}.png"), contexts={"caption": caption, "ocr": "sale"})
    for index, caption in enumerate(["a dog", "a cat", "two men", "an arena", "a sofa", "a dog"])
]


def numbers(model, posts):
    batch = model.preprocessor(posts)
    return batch, model.objectives(batch, torch.ones(*batch.input_ids.shape, 3))


def test_captions_are_exchanged_as_the_labels_say():
    order = torch.Generator().manual_seed(0)
    counts = Counter()
    for _ in range(100):
        posts = [POSTS[place] for place in torch.randperm(6, generator=order)]
        shuffled, caption_of = shuffle_captions(posts, "caption")
        for post, shown, label in zip(posts, shuffled, caption_of, strict=True):
            assert (shown.contexts["caption"] == post.contexts["caption"]) == (label == OWN)
            assert (shown.id, shown.words, shown.image, shown.contexts["ocr"]) == (
                post.id,
                ("good", "morning"),
                post.image,
                "sale",
            )
            counts[post.id, label] += 1
        others = {post.contexts["caption"] for post in posts}
        assert all(post.contexts["caption"] in others for post in shuffled)
    assert sum(counts[post.id, ANOTHERS] for post in POSTS) == pytest.approx(300, abs=40)  # two share one caption
    assert all(counts[post.id, OWN] > 25 and counts[post.id, ANOTHERS] > 25 for post in POSTS)


def test_distinct_captions_are_exchanged_for_exactly_one_half():
    _, caption_of = shuffle_captions(POSTS[:4], "caption")
    assert caption_of == [OWN, ANOTHERS, OWN, ANOTHERS]
    _, caption_of = shuffle_captions(
        [Post("x", ("a",)), *POSTS[:2], Post("y", ("a",), contexts={"caption": " "})], "caption"
    )
    assert caption_of == [UNKNOWN, OWN, ANOTHERS, UNKNOWN]
    _, caption_of = shuffle_captions(POSTS[:1], "caption")
    assert caption_of == [OWN]


def test_the_batch_holds_what_the_labels_say(make_visual):
    model = make_visual()
    batch = model.preprocessor(POSTS)
    decode = model.text_encoder.subword_tokenizer.tokenizer.decode
    for row, (post, label) in enumerate(zip(POSTS, batch.caption_of.tolist(), strict=True)):
        text = decode(batch.input_ids[row][batch.token_type_ids[row] == 1].tolist()).replace(" ##", "")
        assert text.startswith(post.contexts["caption"]) == (label == OWN)
    assert batch.to("meta").caption_of.is_meta


def test_matching_equals_a_loop(make_visual):
    model = make_visual(masked_language=False).eval()
    posts = [
        *POSTS,
        Post("no caption", ("a",), image=Path("7.png")),
        Post("no image", ("a",), contexts={"caption": "b"}),
    ]
    batch, found = numbers(model, posts)
    assert found.keys() == {"sentence_image"}
    image = model.encode_image(batch)
    states = model.text_encoder.encode_subwords(batch, image)
    total, correct, count = 0.0, 0, 0
    for row, label in enumerate(batch.caption_of.tolist()):
        if label == UNKNOWN or posts[row].image is None:
            continue
        own = torch.sigmoid(model.match(states[row, 0])).item()
        total -= torch.tensor(own if label == OWN else 1 - own).log().item()
        correct += (own > 0.5) == (label == OWN)
        count += 1
    assert count == 6
    assert (found["sentence_image"].count, found["sentence_image"].correct) == (count, correct)
    assert found["sentence_image"].loss.item() == pytest.approx(total, rel=1e-4)


def test_an_exchanged_caption_is_hidden_like_an_own_one_but_not_predicted(make_visual):
    model = make_visual(mask_rate=0.99)
    batch = model.preprocessor(POSTS)
    read, asked = [], []
    encode = model.text_encoder.encode_subwords
    model.text_encoder.encode_subwords = lambda batch, image: [read.append(batch.input_ids), encode(batch, image)][1]
    model.masked_language = lambda states, targets: asked.append(targets)
    model.objectives(batch, model.masking.training_noise(batch))
    caption = batch.token_type_ids == 1
    assert ((asked[0] >= 0) & caption).any(dim=1).tolist() == [label == OWN for label in batch.caption_of.tolist()]
    # A mask in some captions alone would tell whose they are, and no picture were looked at.
    assert ((read[0] == model.masking.mask_id) & caption).any(dim=1).all()


def test_hidden_words_are_predicted_with_the_image_in_view(make_visual):
    model = make_visual(mask_rate=0.5, sentence_image=False).eval()
    noise = None
    losses = []
    for image in ("1.png", "1.png", "2.png", None):
        batch = model.preprocessor([Post("1", ("good", "morning"), image=image and Path(image))])
        noise = model.masking.validation_noise(batch)
        losses.append(model.objectives(batch, noise)["masked_language"].loss.item())
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def test_together_and_alone(make_visual):
    for names in (("masked_language", "sentence_image"), ("masked_language",), ("sentence_image",)):
        used = {name: name in names for name in ("masked_language", "sentence_image")}
        model = make_visual(mask_rate=0.5, **used)
        model.log = model.log_dict = lambda *_, **__: None
        loss = model.training_step(model.preprocessor(POSTS), 0)
        loss.backward()
        unused = [name for name, each in model.named_parameters() if each.requires_grad and each.grad is None]
        assert not unused
    with pytest.raises(ConfigurationError, match="got neither"):
        make_visual(masked_language=False, sentence_image=False)


def test_data_without_captions_are_refused(make_visual, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder).using(make_visual(contexts=[]).preprocessor)
    with pytest.raises(ConfigurationError, match=r"needs a caption with each post.*contexts \[caption\]"):
        make_trainer(max_epochs=1).fit(make_visual(contexts=[]), data)
    data.preprocessor = make_visual(sentence_image=False).preprocessor
    make_trainer(max_epochs=1, limit_val_batches=0).fit(make_visual(sentence_image=False), data)


def test_it_learns_to_tell_captions_by_the_image(make_visual):
    kinds = {"red.png": "aa", "blue.png": "bb"}
    posts = [
        Post(f"{index}", ("x",), image=Path(image), contexts={"caption": caption})
        for index, (image, caption) in enumerate([*kinds.items()] * 4)
    ]
    swapped = [replace(post, image=Path("blue.png" if post.image.name == "red.png" else "red.png")) for post in posts]
    model = make_visual(masked_language=False)
    torch.manual_seed(2)  # from some initial weights, so narrow a model stays at a plateau
    for parameter in model.parameters():
        if parameter.ndim > 1:  # so narrow a model hardly learns from BERT's small initial weights
            torch.nn.init.normal_(parameter, std=0.5)
    model.eval()  # no dropout
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    order = torch.Generator().manual_seed(0)
    for step in range(300):
        _, found = numbers(model, [posts[place] for place in torch.randperm(8, generator=order)])
        optimizer.zero_grad()
        found["sentence_image"].loss.backward()
        optimizer.step()
        if step % 20 == 19:
            correct = [numbers(model, each)[1]["sentence_image"].correct.item() for each in (posts, swapped)]
            if correct == [8, 0]:
                return
    raise AssertionError(f"of 8 captions and 8 swapped ones {correct} are told, expected [8, 0]")


def test_a_checkpoint_and_the_folder(make_visual, make_trainer, shared_twitter_folder, tmp_path, sample_posts):
    model = make_visual()
    trainer = make_trainer(max_epochs=1)
    trainer.fit(model, Twitter2017(shared_twitter_folder, contexts=["caption"], batch_size=8).using(model.preprocessor))
    assert {"val/loss", "val/perplexity", "val/masked_language_accuracy"} <= trainer.callback_metrics.keys()
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = VisualLanguageModel.load_from_checkpoint(tmp_path / "model.ckpt").eval()
    model.eval()
    batch, found = numbers(model, POSTS)
    assert numbers(again, POSTS)[1]["sentence_image"] == found["sentence_image"]
    encoder = VisualBertText(str(model.export(tmp_path / "encoder"))).eval()
    encoder.accept_images(model.image_encoder)  # the projection of the regions is the trained one
    image = model.encode_image(batch)
    torch.testing.assert_close(
        encoder.encode_subwords(batch, image), model.text_encoder.encode_subwords(batch, image), rtol=0, atol=0
    )
    folder = str(tmp_path / "encoder")
    assert VisualLanguageModel(VisualBertText(folder), model.image_encoder).head_is_pretrained
    without = make_visual(masked_language=False).export(tmp_path / "without_head")
    assert not VisualLanguageModel(VisualBertText(str(without)), model.image_encoder).head_is_pretrained


def test_extra_posts_bring_images_and_captions(make_visual, make_trainer, shared_twitter_folder, tmp_path):
    more = tmp_path / "more.jsonl"
    more.write_text(
        '{"tokens": ["nike"], "image_id": "more.png", "contexts": {"caption": "a shoe"}}\n{"tokens": ["b"]}\n',
        encoding="utf-8",
    )
    data = Twitter2017(shared_twitter_folder, contexts=["caption"], batch_size=8)
    for images, expected in ((None, None), (tmp_path, tmp_path / "more.png")):
        data.extra_posts = read_unlabelled([more], images)
        model = make_visual(sentence_image=False)
        make_trainer(max_epochs=1, limit_val_batches=0).fit(model, data.using(model.preprocessor))
        found = {post.words: (post.image, post.contexts) for post in data.posts("train")[-2:]}
        assert found == {("nike",): (expected, {"caption": "a shoe"}), ("b",): (None, {})}
    with pytest.raises(DatasetNotFoundError, match=r"no such folder; .*extra posts"):
        read_unlabelled([more], tmp_path / "none")


def test_heads_of_a_published_visualbert(tiny_text_encoder_folder, tmp_path):
    tokenizer = str(tiny_text_encoder_folder)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = VisualBertConfig(vocab_size=60, max_position_embeddings=64, visual_embedding_dim=8, **shape)
    published = VisualBertForPreTraining(config).eval()
    for parameter in published.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    published.save_pretrained(tmp_path / "published")
    encoder = VisualBertText(str(tmp_path / "published"), tokenizer=tokenizer)
    model = VisualLanguageModel(encoder, TinyGrid(8)).eval()
    assert model.head_is_pretrained
    assert model.match_is_pretrained
    model.export(tmp_path / "left")
    batch = model.preprocessor(POSTS)
    image = model.encode_image(batch)
    scores = model.match(model.text_encoder.encode_subwords(batch, image)[:, 0])
    for peer in (published, VisualBertForPreTraining.from_pretrained(tmp_path / "left").eval()):
        found = peer(
            input_ids=batch.input_ids,
            attention_mask=batch.attention_mask,
            token_type_ids=batch.token_type_ids,
            visual_embeds=image.regions,
            visual_attention_mask=image.mask.long(),
        ).seq_relationship_logits  # of "own", and of "another's"
        torch.testing.assert_close(found[:, 0] - found[:, 1], scores)
    alone = VisualLanguageModel(encoder, TinyGrid(8), sentence_image=False)
    assert alone.match is None
    held = load_file(alone.export(tmp_path / "alone") / "model.safetensors")
    assert not [name for name in held if "pooler" in name or "seq_relationship" in name]
    again = VisualLanguageModel(VisualBertText(str(tmp_path / "alone"), tokenizer=tokenizer), TinyGrid(8))
    assert (again.head_is_pretrained, again.match_is_pretrained) == (True, False)


def test_posts_that_take_no_part_are_an_error(make_visual, make_trainer, shared_twitter_folder, twitter_folder):
    data = Twitter2017(shared_twitter_folder, contexts=["caption"], batch_size=8)
    data._posts = {split: [replace(post, image=None) for post in data.posts(split)] for split in ("train", "valid")}
    data.preprocessor = make_visual().preprocessor
    with pytest.raises(ConfigurationError, match=r"none of the train posts has one; .*sentence_image: false"):
        make_trainer(max_epochs=1).fit(make_visual(), data)
    shutil.rmtree(twitter_folder / "images")
    data = Twitter2017(twitter_folder, contexts=["caption"], batch_size=8, max_missing_images=1.0)
    model = make_visual(image_encoder=Grid("resnet10t", weights=None, image_size=32))
    data.preprocessor = model.preprocessor
    with pytest.raises(DataError, match="none of the validation posts takes part in sentence_image"):
        make_trainer(max_epochs=1).fit(model, data)


@pytest.mark.slow
def test_two_processes_in_bf16(make_visual, make_trainer, shared_twitter_folder):
    data = Twitter2017(shared_twitter_folder, contexts=["caption"], batch_size=4)
    model = make_visual()
    trainer = make_trainer(max_epochs=1, devices=2, strategy="ddp_fork", precision="bf16-mixed")
    trainer.fit(model, data.using(model.preprocessor))
    assert trainer.callback_metrics["val/loss"].isfinite()
