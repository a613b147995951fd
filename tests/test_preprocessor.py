"""Posts to a batch: tags, characters, contexts, words and images, the same everywhere, and reports of what is amiss."""

import pickle
import warnings
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from mner.errors import ConfigurationError, ImageError, LabelError
from mner.fusion import LateFusion
from mner.images import ImageLoader
from mner.posts import Post
from mner.preprocessor import MAX_SURPLUS, Preprocessor
from mner.text import HuggingFaceText
from mner.vision.feature_store import FeatureStore
from mner.word_tokenizers import WhitespaceTokenizer
from mner.word_tokenizers.raw_posts import raw_post


@pytest.fixture
def subword_tokenizer(tiny_text_encoder_folder):
    return HuggingFaceText(str(tiny_text_encoder_folder)).subword_tokenizer


def test_tags_are_places_in_the_label_list(subword_tokenizer, sample_posts, labels):
    shuffled = labels[::-1]
    batch = Preprocessor(subword_tokenizer, shuffled, ["caption"]).using(quiet=True)(sample_posts)
    assert batch.tags.shape == batch.word_mask.shape == (5, 7)
    for post, row, mask in zip(sample_posts, batch.tags.tolist(), batch.word_mask.tolist(), strict=True):
        assert [shuffled[index] for index, real in zip(row, mask, strict=True) if real] == list(post.tags)
        assert not any(index for index, real in zip(row, mask, strict=True) if not real)
    assert list(batch.posts) == sample_posts


def test_no_tags_unless_every_post_has_them(subword_tokenizer, sample_posts, labels):
    assert Preprocessor(subword_tokenizer, labels)([*sample_posts, Post("new", ("a",))]).tags is None


def test_a_tag_outside_the_labels_names_the_post(subword_tokenizer, sample_posts, labels):
    odd = Post("odd_one", ("a", "b"), ("O", "B-ORGANISATION"))
    with pytest.raises(LabelError, match=r"'odd_one'.*'B-ORGANISATION' \(close: .*B-ORG"):
        Preprocessor(subword_tokenizer, labels)([*sample_posts, odd])


def test_posts_without_words_among_others_and_alone(subword_tokenizer, sample_posts, labels):
    empty = Post("empty", (), ())
    batch = Preprocessor(subword_tokenizer, labels, max_characters=20)([empty, *sample_posts])
    assert not batch.word_mask[0].any()
    assert torch.equal(batch.tags[1:], Preprocessor(subword_tokenizer, labels)(sample_posts).tags)
    alone = Preprocessor(subword_tokenizer, labels, max_characters=20)([empty])
    assert alone.tags.shape == alone.word_mask.shape == alone.characters.shape[:2] == (1, 1)
    assert not alone.word_mask.any()


def test_lengths_are_those_of_the_subwords(subword_tokenizer, sample_posts, labels):
    batch = Preprocessor(subword_tokenizer, labels)(sample_posts)
    assert Preprocessor(subword_tokenizer, labels).lengths(sample_posts) == batch.attention_mask.sum(dim=1).tolist()


def test_it_pickles_without_weights(make_model, sample_posts):
    model = make_model()
    copy, batch = pickle.loads(pickle.dumps(model.preprocessor))(sample_posts), model.preprocessor(sample_posts)
    assert len(pickle.dumps(model.preprocessor)) < sum(weight.numel() for weight in model.parameters())
    for name, value in vars(batch).items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, getattr(copy, name)), name


RECORD = Post("1", ("so", "loud"), ("O", "O"), contexts={"ocr": "open", "caption": "a dog", "objects": "dog"})


@pytest.mark.parametrize("contexts", [[], ["caption"], ["caption", "ocr"], ["ocr", "caption"]])
def test_a_model_reads_its_contexts_in_its_order(subword_tokenizer, contexts):
    (post,) = Preprocessor(subword_tokenizer, contexts=contexts)([RECORD]).posts
    assert [*post.contexts.items()] == [(kind, RECORD.contexts[kind]) for kind in contexts]
    expected = subword_tokenizer([Post("1", RECORD.words, contexts={kind: RECORD.contexts[kind] for kind in contexts})])
    reordered = Post("1", RECORD.words, contexts=dict(reversed(RECORD.contexts.items())))
    for given in (RECORD, reordered):
        found = Preprocessor(subword_tokenizer, contexts=contexts)([given])
        assert torch.equal(found.input_ids, expected["input_ids"])


def test_a_missing_and_a_surplus_context_are_reported_once_per_kind(subword_tokenizer):
    preprocessor = Preprocessor(subword_tokenizer, contexts=["caption"])
    posts = [Post("1", ("a",), contexts={"ocr": "x"}), Post("2", ("b",), contexts={"ocr": "y", "caption": " "})]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        preprocessor(posts)
        preprocessor(posts[::-1])
        preprocessor.using(quiet=True)([Post("3", ("c",), contexts={"objects": "z"})])
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2
    assert "post '1' has no caption, which the model was trained to read" in messages[0]
    assert "post '1' has the context 'ocr', which the model does not read (caption)" in messages[1]


def test_a_context_with_the_name_of_another_fault_hides_nothing(seeing, image_posts):
    odd = Post(
        "0", ("a",), contexts=dict.fromkeys(("image", "missing", *(f"kind {index:02}" for index in range(30))), "x")
    )
    with pytest.warns(UserWarning, match="the context 'image', which the model does not read") as caught:
        seeing()([odd, *image_posts])
    assert any("is used without an image" in str(each.message) for each in caught)
    assert len(caught) == MAX_SURPLUS + 1


def test_a_model_of_text_reports_an_image_that_it_is_given(subword_tokenizer, image_posts):
    with pytest.warns(UserWarning, match="post '0' has an image, and the model reads text only") as caught:
        Preprocessor(subword_tokenizer)(image_posts)
    assert len(caught) == 1


def test_whichever_worker_finds_a_fault_it_is_reported_once(make_model, tiny_encoder, image_posts):
    """The fault is in the last post only, which is the second worker's, in each of two epochs with new workers."""
    model = make_model(LateFusion, image_encoder=tiny_encoder(), contexts=["caption"])
    posts = [replace(image_posts[0], contexts={"caption": "x"}) for _ in range(3)]
    posts.append(replace(image_posts[4], contexts={"ocr": "x"}))
    loader = DataLoader(posts, batch_size=1, collate_fn=model.preprocessor, num_workers=2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            for batch in loader:
                model(batch)
    messages = sorted(str(each.message) for each in caught if "post '4'" in str(each.message))
    assert [message.partition(":")[0] for message in messages] == [
        "post '4' has no caption, which the model was trained to read; further cases are not reported individually",
        "post '4' has the context 'ocr', which the model does not read (caption); further cases are not reported "
        "individually",
        "post '4' is used without an image",
    ]


def test_raw_text_is_split_by_its_word_tokenizer(subword_tokenizer):
    text = "#ParisAttacks"
    given = raw_post(text, WhitespaceTokenizer(), [(1, 6, "LOC")], id="1")
    labels = ["O", "B-LOC", "I-LOC"]
    batch = Preprocessor(subword_tokenizer, labels)([given])
    (post,) = batch.posts
    assert (post.words, batch.tags.tolist()) == (("#", "ParisAttacks"), [[0, 1]])
    assert Preprocessor(subword_tokenizer, labels).lengths([given]) == [int(batch.attention_mask.sum())]


@pytest.fixture
def image_posts(pictures, tmp_path):
    """Posts with four images, one truncated, one missing, one outside the folder, and one post without."""
    folder = tmp_path / "pictures"
    paths = pictures(4)
    (folder / "cut.png").write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "outside.png").write_bytes(paths[0].read_bytes())
    paths += [folder / "cut.png", folder / "absent.png", tmp_path / "outside.png", None]
    return [Post(str(index), ("word",), image=path) for index, path in enumerate(paths)]


@pytest.fixture
def seeing(subword_tokenizer, tiny_encoder, image_posts):
    """Builds a preprocessor of a model that sees images."""

    def make(encoder=None, features=None, policy="mask"):
        loader = ImageLoader((image_posts[0].image.parent,), policy)
        transform = (encoder or tiny_encoder()).image_transform
        return Preprocessor(subword_tokenizer, image_transform=transform, image_loader=loader, features=features)

    return make


USABLE = [True] * 4 + [False] * 4


def test_pixels_without_stored_features(seeing, image_posts):
    batch = seeing().using(quiet=True)(image_posts)
    assert batch.image is None
    assert batch.pixels.shape == (8, 3, 8, 8)
    assert batch.image_mask.tolist() == USABLE
    assert not batch.pixels[4:].any()
    reasons = ("truncated", "no such file", "outside")
    assert [reason in error for reason, error in zip(reasons, batch.image_errors[4:7], strict=True)] == [True] * 3
    assert [*batch.image_errors[:4], batch.image_errors[7]] == [None] * 5
    alone = seeing()(image_posts[7:])
    assert (alone.pixels, alone.image, alone.image_mask.tolist()) == (None, None, [False])


def test_stored_features_agree_without_the_encoder(seeing, tiny_encoder, image_posts, tmp_path, monkeypatch):
    encoder = tiny_encoder()
    batch = seeing(encoder).using(quiet=True)(image_posts)
    expected = encoder(batch.pixels, batch.image_mask)
    store = FeatureStore.of(encoder, tmp_path / "features.lmdb")
    preprocessor = seeing(encoder, store).using(quiet=True)
    store.fill(encoder, [post.image for post in image_posts if post.image], preprocessor.image_loader)
    monkeypatch.setattr(
        type(encoder.image_transform), "__call__", lambda self, image: pytest.fail("an image was transformed")
    )
    encoder.encoded = 0
    batch = preprocessor(image_posts)
    assert batch.pixels is None
    assert batch.image_mask.tolist() == USABLE
    assert encoder.encoded == 0
    assert torch.allclose(batch.image.regions, expected.regions)
    assert torch.allclose(batch.image.pooled, expected.pooled)
    assert torch.equal(batch.image.mask, expected.mask)
    assert preprocessor(image_posts[4:]).image is None


def test_a_batch_with_an_image_that_is_not_stored_comes_as_pixels(seeing, tiny_encoder, image_posts, tmp_path):
    encoder = tiny_encoder()
    store = FeatureStore.of(encoder, tmp_path / "features.lmdb")
    store.fill(encoder, [image_posts[0].image])
    batch = seeing(encoder, store).using(quiet=True)(image_posts)
    assert batch.image is None
    assert torch.equal(batch.pixels, seeing(encoder).using(quiet=True)(image_posts).pixels)
    assert batch.image_mask.tolist() == USABLE


def test_the_strict_policy_refuses_a_bad_image(seeing, image_posts):
    strict = seeing(policy="error")
    assert strict(image_posts[:4]).image_mask.all()
    for post in image_posts[4:7]:
        with pytest.raises(ImageError, match=post.image.name):
            strict([post])
    with pytest.raises(ImageError, match=r"cut\.png"):
        seeing().using(on_bad_image="error")(image_posts)


def test_a_strict_refusal_crosses_from_a_worker(seeing, image_posts):
    with pytest.raises(ImageError, match=r"cut\.png"):
        list(DataLoader(image_posts, batch_size=8, collate_fn=seeing(policy="error"), num_workers=1))


def test_a_bad_image_is_reported_once_without_a_callback(seeing, image_posts):
    preprocessor = seeing()
    with pytest.warns(UserWarning, match=r"post '4' is used without an image: .*truncated") as caught:
        preprocessor([*image_posts, *image_posts])
    assert len(caught) == 1


def test_no_image_outside_the_folders_is_read(subword_tokenizer, tiny_encoder, image_posts):
    anywhere = Preprocessor(subword_tokenizer, image_transform=tiny_encoder().image_transform)
    assert anywhere.using(image_folders=[None])([image_posts[6]]).image_mask.tolist() == [True]
    inside = anywhere.using(image_folders=[None, image_posts[0].image.parent], quiet=True)
    assert inside([image_posts[6], image_posts[0]]).image_mask.tolist() == [False, True]


def test_a_split_without_any_image_is_reported_for_a_model_that_looks(seeing, sample_posts):
    with pytest.warns(UserWarning, match="none of the 5 train posts has an image"):
        seeing().check(sample_posts, "train")


def test_the_images_of_a_post_are_rows_in_order(seeing, image_posts):
    """Images 0 and 1 of the first post; one truncated image (4) among good ones (2, 3) of the second; none; one."""
    paths = [post.image for post in image_posts]
    posts = [
        Post("a", ("word",)).with_images(paths[:2]),
        Post("b", ("word",)).with_images([paths[2], paths[4], paths[3]]),
        Post("c", ("word",)),
        Post("d", ("word",), image=paths[0]),
    ]
    preprocessor = seeing().using(quiet=True)
    batch = preprocessor(posts)
    assert batch.post_of_image.tolist() == [0, 0, 1, 1, 1, 2, 3]
    assert batch.image_mask.tolist() == [True, True, True, False, True, False, True]
    assert batch.has_image.tolist() == [True, True, False, True]
    assert batch.image_paths == [*paths[:2], paths[2], paths[4], paths[3], None, paths[0]]
    assert [error is None for error in batch.image_errors] == [True, True, True, False, True, True, True]
    alone = preprocessor(image_posts[:4]).pixels
    assert batch.pixels[[0, 1, 2, 4, 6]].equal(alone[[0, 1, 2, 3, 0]])
    without = preprocessor([Post("a", ("word",), image=paths[0]), *image_posts[1:4]])
    assert (without.post_of_image, without.pixels.equal(alone)) == (None, True)  # as if there were no such feature


def test_surplus_images_are_left_out_and_reported_once(subword_tokenizer, tiny_encoder, image_posts):
    transform = tiny_encoder().image_transform
    post = Post("a", ("word",)).with_images([post.image for post in image_posts[:4]])
    preprocessor = Preprocessor(subword_tokenizer, image_transform=transform, max_images=2)
    with pytest.warns(UserWarning, match="post 'a' has 4 images, of which the model reads the first 2") as caught:
        batch = preprocessor([post, post])
    assert (len(caught), batch.post_of_image.tolist(), batch.posts[0].images) == (1, [0, 0, 1, 1], post.images)
    assert Preprocessor(subword_tokenizer, image_transform=transform)([post]).post_of_image.tolist() == [0] * 4
    with pytest.raises(ConfigurationError, match="max_images of at least 1"):
        Preprocessor(subword_tokenizer, max_images=0)


def test_stored_features_of_several_images(seeing, tiny_encoder, image_posts, make_model, tmp_path):
    posts = [Post("a", ("word",)).with_images([image_posts[0].image, image_posts[4].image, image_posts[1].image])]
    posts += image_posts[2:3]
    encoder = tiny_encoder()
    model = make_model(LateFusion, image_encoder=encoder).eval()
    model.preprocessor = seeing(encoder).using(quiet=True)
    batch = model.preprocessor(posts)
    expected = model.encode_image(batch)
    store = FeatureStore.of(encoder, tmp_path / "features.lmdb")
    store.fill(encoder, [image for post in posts for image in post.images], model.preprocessor.image_loader)
    stored = model.preprocessor.using(features=store)(posts)
    assert (stored.pixels, stored.image.mask.any(dim=1).tolist()) == (None, batch.image_mask.tolist())
    found = model.encode_image(stored)
    torch.testing.assert_close(found.regions, expected.regions)
    torch.testing.assert_close(found.pooled, expected.pooled)
    assert found.mask.equal(expected.mask)
    each = model.encode_image(model.preprocessor(image_posts[:2])).regions
    torch.testing.assert_close(expected.regions[0][expected.mask[0]], each.flatten(0, 1))
