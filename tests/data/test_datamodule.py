"""Splits, fractions, contexts and loaders of the base data module."""

import json
import re
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from mner.data import PostDataModule
from mner.data.contexts import with_contexts
from mner.data.splits import find_split
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError, LabelError
from mner.posts import Post
from mner.subsets import fraction


def test_a_split_is_read_once_and_cut_to_the_fraction(in_memory):
    data = in_memory(train_fraction=0.1)
    assert [len(data.posts(split)) for split in ("train", "valid", "test")] == [5, 10, 6]
    assert data.posts("train") is data.posts("train")


@pytest.mark.parametrize("seed", [0, 1])
def test_smaller_fractions_lie_within_larger_ones(seed):
    posts = [Post(str(index), ()) for index in range(200)]
    shares = [fraction(posts, share, seed) for share in (0.001, 0.05, 0.1, 0.5, 1)]
    assert [len(share) for share in shares] == [1, 10, 20, 100, 200]
    for smaller, larger in pairwise(shares):
        ids = [post.id for post in smaller]
        assert set(ids) <= {post.id for post in larger}
        assert ids == sorted(ids, key=int)
    assert fraction(posts, 0.1, seed) == shares[2] != fraction(posts, 0.1, seed + 2)


def test_posts_without_annotation_are_named(in_memory):
    class Partly(in_memory):
        def read(self, split):
            posts = super().read(split)
            return posts if split == "valid" else [replace(post, tags=None) for post in posts[:12]] + posts[12:]

    data = Partly()
    with pytest.raises(DataError, match=r"^12 of 50 train posts have no annotation: train_0, .*, train_9, \.\.\.; "):
        data.check_annotation("fit")
    for stage in ("validate", "predict", "test"):  # no test post is annotated, so there is nothing to score
        data.check_annotation(stage)
    data._posts["test"][0] = replace(data._posts["test"][0], tags=("O",))
    with pytest.raises(DataError, match=r"^5 of 6 test posts"):
        data.check_annotation("test")


def test_a_tag_outside_the_label_set_names_the_post(in_memory):
    class Odd(in_memory):
        def read(self, split):
            return [Post("good", ("a",), ("O",)), Post("odd", ("a", "b"), ("O", "B-DOG"))]

    with pytest.raises(LabelError, match=r"post 'odd': .*'B-DOG'"):
        Odd().posts("valid")


@pytest.mark.parametrize(
    "arguments",
    [{"batch_size": 0}, {"train_fraction": 0}, {"train_fraction": 1.1}, {"num_workers": -1}, {"max_tokens": 0}],
)
def test_arguments_out_of_range(in_memory, arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ConfigurationError, match=f"^expected {name} .*, got {value}$"):
        in_memory(**arguments)


def test_setup_reads_what_a_stage_needs(in_memory):
    class Recorder(in_memory):
        def read(self, split):
            read.append(split)
            return super().read(split)

    for stage, expected in {"fit": ["train", "valid"], "validate": ["valid"], "test": ["test"]}.items():
        read = []
        Recorder().setup(stage)
        assert read == expected


def test_a_loader_needs_a_preprocessor(in_memory, witness):
    with pytest.raises(ConfigurationError, match=r"data\.preprocessor = model\.preprocessor"):
        in_memory().train_dataloader()
    data = in_memory(batch_size=4).using(witness.preprocessor)
    assert [len(batch) for batch in data.loader("test")] == [4, 2]


def test_the_seed_is_that_of_seed_everything_unless_given(in_memory, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert (in_memory().effective_seed, in_memory(seed=3).effective_seed) == (7, 3)
    monkeypatch.delenv("PL_GLOBAL_SEED")
    assert in_memory().effective_seed == 0


def test_a_token_budget_is_in_subwords(in_memory, labels, tiny_text_encoder_folder):
    from mner.preprocessor import Preprocessor
    from mner.text import HuggingFaceText

    preprocessor = Preprocessor(HuggingFaceText(str(tiny_text_encoder_folder)).subword_tokenizer, labels)
    batches = list(in_memory(max_tokens=40).using(preprocessor).loader("train", shuffle=True))
    assert sum(len(batch) for batch in batches) == 50
    assert max(batch.input_ids.numel() for batch in batches) <= 40


def test_is_abstract():
    with pytest.raises(TypeError, match="read"):
        PostDataModule()


def test_finds_a_split_under_any_name(tmp_path):
    patterns = ("{split}.txt", "{split}", "texts/{split}/*.json")
    (tmp_path / "texts" / "test").mkdir(parents=True)
    for name in ("train.txt", "train", "dev", "texts/test/x.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    found = {split: find_split(tmp_path, split, patterns) for split in ("train", "valid", "test")}
    assert found == {
        "train": tmp_path / "train.txt",
        "valid": tmp_path / "dev",
        "test": tmp_path / "texts" / "test" / "x.json",
    }


def test_a_split_that_is_not_there(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"no valid split; looked for valid\.txt, dev\.txt, val\.txt"):
        find_split(tmp_path, "valid", ["{split}.txt"])
    with pytest.raises(DatasetNotFoundError, match=r"no folder .*--data\.init_args\.root DIR"):
        find_split(tmp_path / "none", "train", ["{split}.txt"])


def test_of_several_files_none_is_left_out_unnoticed(tmp_path):
    for name in ("train.json", "train.jsonl"):
        (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"2 matching files: train\.json, train\.jsonl"):
        find_split(tmp_path, "train", ["{split}.json*"])


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text(
        "\n".join(json.dumps({"id": name, "caption": f"of {name}"}) for name in ("1", "2")), encoding="utf-8"
    )
    return path


def test_contexts_from_a_file_and_from_the_posts(captions):
    posts = [Post("1", ("a",), contexts={"ocr": "x", "junk": "y"}), Post("2", ("b",), contexts={"ocr": "z"})]
    found = with_contexts(posts, ["caption", "ocr"], {"caption": captions}, "train")
    assert [dict(post.contexts) for post in found] == [
        {"caption": "of 1", "ocr": "x", "junk": "y"},  # the model's preprocessor keeps what it reads
        {"caption": "of 2", "ocr": "z"},
    ]


def test_missing_contexts_are_counted(captions):
    posts = [Post(str(index), ("a",)) for index in range(5)]
    with pytest.warns(UserWarning, match="3 of 5 valid posts have no caption: the model reads them without it"):
        found = with_contexts(posts, ["caption"], {"caption": captions}, "valid")
    assert [len(post.contexts) for post in found] == [0, 1, 1, 0, 0]
    with pytest.warns(UserWarning, match="1 of 2 valid posts have no caption"):
        with_contexts([posts[0], Post("6", ("a",), contexts={"caption": "c"})], ["caption"], {}, "valid")


@pytest.mark.parametrize(("kind", "missing"), [("caption", 2), ("ocr", 1), ("objects", 1)])
def test_an_image_may_have_no_letters_but_not_an_empty_caption(tmp_path, kind, missing):
    records = [{"id": "1", kind: "x"}, {"id": "2", kind: ""}]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    posts = [Post(name, ("a",)) for name in ("1", "2", "3")]
    with pytest.warns(UserWarning, match=f"{missing} of 3 valid posts have no {kind}") as caught:
        found = with_contexts(posts, [kind], {kind: tmp_path / "texts.jsonl"}, "valid")
    assert [dict(post.contexts) for post in found] == [{kind: "x"}, {}, {}]
    assert len(caught) == 1


def test_captions_of_other_images(tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text(
        '{"image_id": "33.png", "caption": "a dog"}\n{"image_id": "34.jpg", "caption": "a cat"}', encoding="utf-8"
    )
    posts = [Post(name, ("a",), image=Path(f"{name}.jpg")) for name in ("33", "34", "35")]
    posts[0] = replace(posts[0], id="1")
    hint = r"\(texts\.jsonl has 33\.png for 33\.jpg\)"
    with pytest.warns(UserWarning, match="2 of 3 valid posts have no caption.*" + hint):
        with_contexts(posts, ["caption"], {"caption": texts}, "valid")
    with pytest.raises(DataError, match=r"texts\.jsonl has no caption of the 1 valid posts " + hint):
        with_contexts(posts[:1], ["caption"], {"caption": texts}, "valid")


def test_an_unknown_kind_of_context(tmp_path):
    with pytest.raises(DataError, match=r"no captoin for the train posts: .*context_files"):
        with_contexts([Post("1", ("a",))], ["captoin"], {}, "train")
    with pytest.raises(DataError, match=r"no file .*none\.jsonl with a caption for the train posts") as caught:
        with_contexts([Post("1", ("a",))], ["caption"], {"caption": tmp_path / "none.jsonl"}, "train")
    assert not isinstance(caught.value, DatasetNotFoundError)  # which would be taken for a split that is not there


@pytest.mark.parametrize(
    ("kept", "caption", "message"),
    [
        (("caption",), "a " * 61, r"7 of 10 valid posts have contexts \(caption\) of which the end is not read"),
        (("caption",), "a " * 3, None),
        (("ocr",), "a " * 61, None),
    ],
)
def test_contexts_that_are_truncated_are_counted(in_memory, make_model, kept, caption, message):
    class WithCaptions(in_memory):
        def read(self, split):
            posts = super().read(split)
            return [replace(post, contexts={"caption": caption, "ocr": "b"}) for post in posts[:7]] + posts[7:]

    data = WithCaptions()
    data.preprocessor = make_model(labels=data.labels, contexts=list(kept)).preprocessor
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.setup("validate")
    found = [str(each.message) for each in caught if "the end is not read" in str(each.message)]
    assert len(found) == (message is not None)
    assert message is None or re.match(message, found[0])


def test_a_context_that_the_model_does_not_read_is_reported_once(in_memory, make_model):
    class Captioned(in_memory):
        def read(self, split):
            return [replace(post, contexts={"caption": "x", "ocr": "y"}) for post in super().read(split)]

    data = Captioned(contexts=["caption"])
    data.preprocessor = make_model(labels=data.labels, contexts=["caption"]).preprocessor
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data.setup("fit")
        data.setup("test")
    (message,) = (str(each.message) for each in caught if "ocr" in str(each.message))
    assert "50 of 50 train posts have the context 'ocr', which the model does not read (caption); " in message
