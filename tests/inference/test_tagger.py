"""Tagging new posts, one by one, in batches and in a stream, whatever they are made of."""

import io
import random
import threading
import warnings
from base64 import b64encode
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import mner
from mner.errors import ConfigurationError, DataError, ImageError, MNERError
from mner.fusion import Concatenation, TextOnly
from mner.inference.tagger import Tagger, make_post
from mner.posts import Entity, Post
from mner.testing import TinyGrid
from mner.text import HuggingFaceText
from mner.word_tokenizers import WhitespaceTokenizer

PLACES = ("Oslo", "Oracle Arena", "Kevin Durant", "Nike")


@pytest.fixture(scope="module")
def tagger(trained_run):
    return mner.load(trained_run / "best.ckpt")


def spans(entities):
    return [entity.span for entity in entities]


def random_texts(count, longest=60):
    choose = random.Random(5)
    words = (*PLACES, "is", "loud", "again", "tonight", "\u00e9t\u00e9", "#Riga", "@dana", "\ufe0f", "good", ":)")
    return [" ".join(choose.choices(words, k=choose.randint(0, longest))) for _ in range(count)]


def test_raw_text_and_words(tagger):
    text = "RT  @dana: Kevin\tDurant enters"
    (entity,) = tagger.predict(text)
    assert entity.span == ("PER", 4, 6)
    assert entity.text == text[slice(*entity.characters)] == "Kevin\tDurant"
    assert 0 < entity.confidence <= 1
    (entity,) = tagger.predict(["Oracle", "Arena", "is", "loud"])
    assert entity == Entity("LOC", 0, 2, "Oracle Arena", entity.confidence)


def test_characters_are_always_those_of_the_text(tagger):
    texts = random_texts(40)
    for text, entities in zip(texts, tagger.predict_batch(texts), strict=True):
        words = make_post(text).words
        for entity in entities:
            assert entity.text == text[slice(*entity.characters)]
            assert entity.text.split() == " ".join(words[entity.start : entity.end]).split()


@pytest.mark.parametrize(
    "text", ["", [], "   \n", "\ufe0f\u200b", "\U0001f600\U0001f600 \U0001f44d\U0001f3fd", "\ud83d", "x" * 5000]
)
def test_posts_without_words_or_with_strange_ones(tagger, text):
    assert isinstance(tagger.predict(text), list)
    (empty, entities) = tagger.predict_batch([text, "in Oslo tonight"])
    assert empty == tagger.predict(text)
    assert spans(entities) == spans(tagger.predict("in Oslo tonight"))


def test_a_post_of_600_words_is_read_to_its_end(tagger):
    words = ["Kevin", "Durant", "is", "loud", "in", "Oslo"] * 100
    found = spans(tagger.predict(words))
    assert [span for span in found if span[0] == "PER"] == [("PER", 6 * index, 6 * index + 2) for index in range(100)]
    assert sum(span == ("LOC", 6 * index + 5, 6 * index + 6) for index in range(100) for span in found) > 90


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_a_batch_finds_what_single_posts_hold_in_their_order(tagger, batch_size):
    texts = random_texts(25)
    found = tagger.predict_batch(texts, batch_size)
    for text, entities in zip(texts, found, strict=True):
        alone = tagger.predict(text)
        assert spans(entities) == spans(alone)
        assert [e.confidence for e in entities] == pytest.approx([e.confidence for e in alone], abs=1e-4)


def test_a_batch_takes_texts_words_and_posts(tagger):
    post = Post("1", ("in", "Oslo"), ("B-UNKNOWN", "X"), contexts={"caption": "a house " * 50})
    found = tagger.predict_batch(["in Oslo", ["in", "Oslo"], post])
    assert [spans(entities) for entities in found] == [[("LOC", 1, 2)]] * 3
    assert tagger.predict_batch([]) == []
    with pytest.raises(DataError, match="expected several posts, got one text"):
        tagger.predict_batch("in Oslo")


def test_a_table_is_not_its_columns(tagger):
    table = pytest.importorskip("pandas").DataFrame({"text": ["Ana in Oslo", "Oslo"]})
    expected = tagger.predict_batch(table["text"])
    assert tagger.predict_batch(table.to_dict("records")) == tagger.predict_batch(table) == expected


def test_contexts_and_images_of_a_model_that_reads_text(tagger, tmp_path):
    plain = tagger.predict("in Oslo")
    assert tagger.predict("in Oslo", image=tmp_path / "missing.jpg") == plain
    with pytest.raises(DataError, match="not trained with the contexts caption; it reads none"):
        tagger.predict("in Oslo", contexts={"caption": "a town"})
    (entities,) = tagger.predict_batch([replace(make_post("in Oslo"), contexts={"caption": "a town"})])
    assert entities == plain


def test_contexts_of_a_model_that_reads_captions(make_model):
    model = make_model(contexts=["caption"]).eval()
    given = ({}, {"caption": "a town"}, {"ocr": "open", "caption": "a town"})
    preprocessor = model.preprocessor.using(quiet=True)
    none, caption, both = (model(preprocessor([make_post("in Oslo", contexts=contexts)])) for contexts in given)
    assert not torch.equal(none, caption)
    assert torch.equal(caption, both)


def test_a_context_that_does_not_fit_is_reported_once(make_model, tiny_text_encoder_folder):
    encoder = HuggingFaceText(str(tiny_text_encoder_folder), max_length=16)
    tagger = Tagger(TextOnly(text_encoder=encoder, labels=make_model().labels, contexts=["caption"]))
    short, long = ({"text": "in Oslo", "id": str(n), "contexts": {"caption": "a man " * n}} for n in (1, 30))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tagger.predict_batch([short])
    expected = "the end of the contexts of post '30' is not read, as a row has at most 16 subwords"
    with pytest.warns(UserWarning, match=expected):
        tagger.predict_batch([short, long])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tagger.predict_batch([long])


@pytest.mark.parametrize("max_wait", [None, 60])
def test_a_stream_keeps_its_order_and_reads_no_further_than_its_windows(tagger, max_wait):
    read = 0

    def posts():
        nonlocal read
        for index, text in enumerate(random_texts(200, longest=8)):
            read += 1
            yield replace(make_post(text), id=str(index))

    for index, prediction in enumerate(tagger.stream(posts(), batch_size=4, window=5, max_wait=max_wait)):
        assert prediction.post.id == str(index)
        assert read <= 20 * (index // 20 + 1) + (22 if max_wait else 0)
    assert read == index + 1 == 200


def test_a_stream_answers_before_it_ends(tagger):
    answered = threading.Semaphore(1)

    def posts():
        for _ in range(3):
            assert answered.acquire(timeout=60)  # until the one before is answered
            yield "in Oslo"

    count = 0
    for prediction in tagger.stream(posts(), max_wait=0.01):
        count += 1
        assert spans(prediction.entities) == [("LOC", 1, 2)]
        answered.release()
    assert count == 3


@pytest.mark.parametrize("text", [None, b"in Oslo", b"", 3, 2.5, ["in", 3], {"text": "in Oslo"}, object()])
def test_what_is_no_post_is_refused(tagger, text):
    with pytest.raises(DataError, match="expected a text or its words, got"):
        tagger.predict(text)
    if not isinstance(text, dict):
        with pytest.raises(DataError, match="expected a text or its words, got"):
            tagger.predict_batch(["in Oslo", text])
    with pytest.raises(DataError, match="expected several posts"):
        tagger.predict_batch(text if isinstance(text, (dict, bytes)) else 3)
    with pytest.raises(DataError, match="expected several posts"):
        tagger.stream("in Oslo")


@pytest.mark.parametrize("image", [3, ["a.png"], object()], ids=lambda value: type(value).__name__)
def test_the_image_of_a_record_is_an_image_or_a_path(tagger, image):
    with pytest.raises(DataError, match="posts, post 2: expected an image or its path"):
        tagger.predict_batch(["in Oslo", {"text": "in Oslo", "image": image}])


def test_images_in_memory_are_used_and_deleted(make_model, recwarn):
    pd = pytest.importorskip("pandas")
    content = io.BytesIO()
    image = Image.new("RGB", (20, 20), "red")
    image.save(content, "png")
    tagger = Tagger(make_model(Concatenation, image_encoder=TinyGrid()))
    given = [
        image,
        content.getvalue(),
        {"bytes": content.getvalue(), "path": None},
        np.asarray(image),
        np.nan,
        None,
        pd.NA,
        b"no image",
    ]
    found = list(tagger.stream({"text": "in Oslo", "image": each} for each in given))
    assert [prediction.post.image for prediction in found] == [None] * 8
    entities = [prediction.entities for prediction in found]
    assert entities[1:4] == entities[:1] * 3
    assert entities[5:] == entities[4:5] * 3
    assert sum("image" in str(warning.message) for warning in recwarn) == 1


def test_several_images_of_a_post(make_model, tmp_path):
    paths = []
    for colour in ("red", "blue"):
        paths.append(tmp_path / f"{colour}.png")
        Image.new("RGB", (20, 20), colour).save(paths[-1])
    contents = [path.read_bytes() for path in paths]
    tagger = Tagger(make_model(Concatenation, image_encoder=TinyGrid()))
    expected = tagger.predict("in Oslo", paths)
    assert expected.post.images == tuple(paths)
    assert expected != tagger.predict("in Oslo", paths[:1])
    in_memory = tagger.predict("in Oslo", [contents[0], paths[1]])
    assert (in_memory == expected, in_memory.post.images) == (True, (paths[1],))
    encoded = [f"data:image/png;base64,{b64encode(contents[0]).decode()}", "", str(paths[1])]
    in_memory = tagger.predict("in Oslo", encoded)
    assert (in_memory == expected, in_memory.post.images) == (True, (paths[1],))
    records = [{"images": [*map(str, paths)]}, {"images": contents}, {"images": [contents[0], None, paths[1]]}]
    found = list(tagger.stream({"text": "in Oslo", **record} for record in records))
    for prediction in found:
        assert [entity.span for entity in prediction.entities] == [entity.span for entity in expected]
        confidences = [entity.confidence for entity in prediction.entities]
        assert confidences == pytest.approx([entity.confidence for entity in expected], abs=1e-5)
    assert [prediction.post.images for prediction in found] == [tuple(paths), (), (paths[1],)]
    for record, said in (({"images": "a.png"}, "as a list"), ({"image": "a", "images": ["a"]}, "give one of them")):
        with pytest.raises(DataError, match=said):
            tagger.predict_batch([{"text": "in Oslo", **record}])


@pytest.mark.parametrize("image", ["https://example.org/1.png", {"url": "1.png"}, "data:image/png;base64,iV!"])
def test_images_that_are_not_fetched_or_cannot_be_decoded_are_errors(tagger, image):
    with pytest.raises(MNERError, match=r"is a link, which is not fetched|bytes|base64"):
        tagger.predict("in Oslo", image)
    with pytest.raises(MNERError, match=r"is a link, which is not fetched|object with bytes or path|base64"):
        tagger.predict_batch([{"text": "in Oslo", "image": image}])


def test_values_of_numpy_and_pandas_in_records(tagger):
    pd = pytest.importorskip("pandas")
    row = {"image": np.nan, "day": pd.Timestamp("2026-11-26"), "score": np.float32(0.5), "n": np.int64(3)}
    (prediction,) = tagger.stream([{"text": "in Oslo", **row}], batch_size=np.int64(2))
    assert prediction.post.metadata == {"day": "2026-11-26T00:00:00", "score": 0.5, "n": 3}
    with pytest.raises(DataError, match=r"posts, post 1: an? object, which is not plain JSON"):
        tagger.predict_batch([{"text": "in Oslo", "x": object()}])


def test_records_without_an_id_are_numbered(tagger):
    found = tagger.stream([{"text": "in Oslo"}, {"id": "x", "text": "in Oslo"}, {"text": "in Oslo"}])
    assert [prediction.post.id for prediction in found] == ["1", "x", "3"]
    with pytest.raises(DataError, match="posts, post 2: an object with neither 'tokens' nor 'text'"):
        tagger.predict_batch([{"text": "in Oslo"}, {"tweet": "in Oslo"}])


def test_annotations_of_records_are_noted_once(tagger):
    with pytest.warns(UserWarning, match=r"posts: gold_tags looks like an annotation.*3 posts, the first is 1"):
        tagger.predict_batch([{"tokens": ["in", "Oslo"], "gold_tags": ["O", "B-LOC"]}] * 3)


@pytest.mark.parametrize("contexts", ["caption", ["caption"], {3: "a man", "ocr": "x"}])
def test_contexts_are_by_kind(tagger, contexts):
    with pytest.raises(DataError, match="contexts"):
        tagger.predict("in Oslo", contexts=contexts)


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": -1}, {"batch_size": 1.5}, {"batch_size": None}, {"window": 0}]
)
def test_sizes_below_one_are_refused_before_a_post_is_read(tagger, options):
    with pytest.raises(ConfigurationError, match="at least 1"):
        tagger.stream(["in Oslo"], **options)
    if "batch_size" in options:
        with pytest.raises(ConfigurationError, match="at least 1"):
            tagger.predict_batch(["in Oslo"], **options)


def test_records_are_read_as_those_of_a_file(tagger, tmp_path):
    records = [
        {"id": "a", "text": "RT  @dana: Kevin Durant enters", "caption": "a man"},
        {"tokens": ["in", "Oslo"], "label": ["O", "O"], "image": tmp_path / "a.jpg"},
    ]
    first, second = tagger.stream(records)
    assert spans(first.entities) == spans(tagger.predict(records[0]["text"]))
    assert (first.post.id, first.post.words[:2]) == ("a", ("RT", "@"))
    assert (second.post.words, second.post.image) == (("in", "Oslo"), tmp_path / "a.jpg")
    assert [spans(entities) for entities in tagger.predict_batch(records)] == [
        spans(first.entities),
        spans(second.entities),
    ]
    for bad in ({"id": 3}, {"tokens": "in Oslo"}, {"text": object()}):
        with pytest.raises(DataError):
            tagger.predict_batch([bad])


def test_images_that_cannot_be_used_are_reported(make_model, tmp_path, recwarn):
    tagger = Tagger(make_model(Concatenation, image_encoder=TinyGrid()))
    Image.new("RGB", (20, 20)).save(tmp_path / "good.png")
    (tmp_path / "corrupt.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    tagger.predict("in Oslo", image=tmp_path / "good.png")
    with pytest.warns(UserWarning, match=r"corrupt\.png: "):
        tagger.predict("in Oslo", image=tmp_path / "corrupt.png")
    content = (tmp_path / "good.png").read_bytes()
    tagger.predict("in Oslo", image=content)
    tagger.predict("in Oslo", image=Image.new("L", (20, 20)))
    assert not recwarn.list
    for bad in (content[:40], b"", Image.new("L", (1, 1)), 3):
        with pytest.raises(ImageError, match="image"):
            tagger.predict("in Oslo", image=bad)
    posts = [{"text": "in Oslo", "image": tmp_path / f"{number}.png"} for number in range(20)]
    for post in posts:
        post["image"].write_bytes(b"not an image")
    with pytest.warns(UserWarning, match="not an image") as warned:
        tagger.predict_batch(posts, batch_size=3)
    assert len(warned) == 11
    lines = []
    assert len(list(tagger.stream(posts, on_bad_image=lines.append))) == 20
    assert len(lines) == 20


def test_raw_text_is_split_by_the_models_word_tokenizer(trained_run):
    tagger = mner.load(trained_run / "best.ckpt")
    post = make_post("#Oslo @dana")
    (prediction,) = tagger.stream([post])
    assert prediction.post.words == ("#", "Oslo", "@", "dana")
    assert prediction.post.offsets == ((0, 1), (1, 5), (6, 7), (7, 11))
    tagger.preprocessor.word_tokenizer = WhitespaceTokenizer()
    assert [each.post.words for each in tagger.stream([post])] == [("#Oslo", "@dana")]
    own = Post("1", ("#Oslo", "@dana"))
    assert [each.post for each in tagger.stream([own])] == [own]


def test_the_model_is_in_evaluation_mode_and_keeps_no_gradient(trained_run):
    model = mner.load_model(trained_run / "best.ckpt").train()
    tagger = mner.inference.tagger.Tagger(model)
    assert not model.training
    assert tagger.predict("in Oslo") == tagger.predict("in Oslo")
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


@pytest.mark.gpu
def test_a_gpu_finds_what_a_cpu_finds(tagger, trained_run):
    texts = random_texts(40)
    on_gpu = mner.load(trained_run / "best.ckpt", "cuda").predict_batch(texts)
    for entities, expected in zip(on_gpu, tagger.predict_batch(texts), strict=True):
        assert spans(entities) == spans(expected)
        assert [e.confidence for e in entities] == pytest.approx([e.confidence for e in expected], abs=1e-3)


@pytest.mark.parametrize(
    "arguments",
    [
        *({name: value} for name in ("batch_size", "window") for value in (0, -1, 1.5, "2", None, True)),
        *({"max_wait": value} for value in ("1", -1, float("nan"), float("inf"), [], True, 1e12)),
        {"on_bad_image": 3},
    ],
)
def test_arguments_of_a_stream_that_are_none(tagger, arguments):
    with pytest.raises(ConfigurationError, match=rf"expected {next(iter(arguments))} (to be|in \[)"):
        tagger.stream(["a"], **arguments)


def test_a_batch_of_any_size_is_as_large_as_the_posts(tagger):
    assert tagger.predict_batch(["Oslo"], batch_size=10**30) == tagger.predict_batch(["Oslo"])


def test_numbers_of_numpy(tagger):
    options = {"threshold": np.float32(0.5), "max_wait": np.int64(2), "window": np.int64(3)}
    assert list(tagger.stream(["in Oslo"], **options)) == list(tagger.stream(["in Oslo"], threshold=0.5))


@pytest.mark.parametrize("options", [3, None, {}])
def test_options_that_are_none(make_model, options):
    with pytest.raises(ConfigurationError, match="expected options to be TaggingOptions, got"):
        Tagger(make_model(), options)


def test_the_name_of_a_file_in_bytes_is_named():
    with pytest.raises(MNERError, match=r"expected the path of a checkpoint, got b'best.ckpt' \(bytes\)"):
        mner.load(b"best.ckpt")


@pytest.mark.parametrize("model", [None, "best.ckpt", torch.nn.Linear(1, 1)])
def test_a_tagger_of_no_model(model):
    with pytest.raises(ConfigurationError, match=r"expected a model, got .*mner.load\(PATH\)"):
        Tagger(model)


@pytest.mark.parametrize("device", ["x", "cuda:99", "meta", None, 3])
def test_a_device_that_is_none(trained_run, device):
    with pytest.raises(ConfigurationError, match=f"no device '{device}'"):
        mner.load(trained_run / "best.ckpt", device=device)


@pytest.mark.parametrize("modules", [3, None, [3], "no_such_module"])
def test_modules_that_are_none(trained_run, modules):
    with pytest.raises(ConfigurationError, match=r"expected modules by|cannot be imported"):
        mner.load(trained_run / "best.ckpt", modules=modules)
