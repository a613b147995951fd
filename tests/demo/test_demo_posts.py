"""The demo posts: balance, independence of text and type, solvability, determinism."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from mner.demo import generate_demo_posts, text_only_ceiling
from mner.demo.names import AMBIGUOUS, NOVEL_AMBIGUOUS, TYPES
from mner.errors import ConfigurationError, DataError
from mner.labels import spans
from mner.posts import Post

NAMES = AMBIGUOUS | NOVEL_AMBIGUOUS
Examples = list[tuple[list[str], str]]


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Post]]:
    return generate_demo_posts()


def mentions(posts: Iterable[Post], kind: str) -> list[tuple[Post, dict]]:
    return [(post, m) for post in posts for m in post.metadata["mentions"] if m["kind"] == kind]


def naive_bayes(examples: Examples) -> Callable[[list[str]], str]:
    """A multinomial classifier with add-0.1 smoothing; returns its prediction function."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    prior = Counter(label for _, label in examples)
    for features, label in examples:
        counts[label].update(features)
    size = len({feature for of_label in counts.values() for feature in of_label})

    def predict(features: list[str]) -> str:
        def score(label: str) -> float:
            total = counts[label].total() + 0.1 * size
            return math.log(prior[label]) + sum(math.log((counts[label][f] + 0.1) / total) for f in features)

        return max(sorted(prior), key=score)

    return predict


def accuracy(predict: Callable[[list[str]], str], examples: Examples) -> float:
    return sum(predict(features) == label for features, label in examples) / len(examples)


def text_features(posts: Iterable[Post], kind: str) -> Examples:
    """Name, the words around it, length of the post, and whether it has a link."""
    return [
        (
            [f"L {word}" for word in post.words[max(0, m["start"] - 6) : m["start"]]]
            + [f"R {word}" for word in post.words[m["end"] : m["end"] + 6]]
            + [f"name {post.surface(m['start'], m['end'])}", f"length {len(post.words)}"]
            + [f"link {post.words[-1].startswith('http')}"],
            m["type"],
        )
        for post, m in mentions(posts, kind)
    ]


def test_sizes_ids_and_half_of_the_mentions(splits: dict[str, list[Post]]) -> None:
    assert {split: len(posts) for split, posts in splits.items()} == {"train": 600, "valid": 150, "test": 300}
    for split, posts in splits.items():
        assert [post.id for post in posts] == [f"{split}-{i:04d}" for i in range(len(posts))]
        ambiguous, plain = len(mentions(posts, "ambiguous")), len(mentions(posts, "plain"))
        assert 0.4 < ambiguous / (ambiguous + plain) < 0.6
        assert sum(not post.metadata["mentions"] for post in posts) == round(0.08 * len(posts))


@pytest.mark.parametrize("size", [16, 17, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_tags_are_the_mentions(size: int, seed: int) -> None:
    for posts in generate_demo_posts(size, seed).values():
        assert mentions(posts, "ambiguous")
        for post in posts:
            found = [entity.span for entity in spans(post.tags)]
            assert found == [(m["type"], m["start"], m["end"]) for m in post.metadata["mentions"]]
            assert all(post.words)


def test_each_ambiguous_text_is_posted_once_for_each_type_of_its_name(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        types: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        groups: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for post, mention in mentions(posts, "ambiguous"):
            types[post.words].append(mention["type"])
            groups[post.words].add(post.metadata["group"])
            assert post.metadata["picture"] == "related"
            assert post.metadata["shown"] == mention["type"]
            name = post.surface(mention["start"], mention["end"])
            assert set(types[post.words]) <= set(NAMES[name])
            assert mention["novel_name"] == (name in NOVEL_AMBIGUOUS)
            if len(types[post.words]) == len(NAMES[name]):
                assert sorted(types[post.words]) == sorted(NAMES[name])
        assert all(len(found) == len(set(found)) >= 2 for found in types.values())
        assert all(len(found) == 1 for found in groups.values())
        assert len({group for found in groups.values() for group in found}) == len(groups)


def test_names_and_types_are_even(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        found = mentions(posts, "ambiguous")
        types = Counter(m["type"] for _, m in found)
        assert max(types.values()) - min(types.values()) <= 2
        by_name: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for post, m in found:
            by_name[post.surface(m["start"], m["end"])][m["type"]] += 1
        assert all(len(set(counts.values())) == 1 for counts in by_name.values())
        uses = [next(iter(counts.values())) for counts in by_name.values()]
        assert max(uses) - min(uses) <= 2


def test_ceiling_is_what_brute_force_finds(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        ceiling = text_only_ceiling(posts)
        found = mentions(posts, "ambiguous")
        assert ceiling.mentions == len(found)
        by_text = defaultdict(list)
        for post, m in found:
            by_text[" ".join(post.words)].append(m["type"])
        right = sum(max(types.count(t) for t in TYPES) for types in by_text.values())
        assert ceiling.attained == pytest.approx(right / len(found))
        assert ceiling.expected == pytest.approx(len(by_text) / len(found))
        assert ceiling.attained == pytest.approx(ceiling.expected)
        assert ceiling.ambiguous_f1 == pytest.approx(ceiling.attained)
        assert 0.3 < ceiling.attained < 0.42
        assert ceiling.overall_f1 < 0.75


def test_ceiling_knows_that_silence_can_pay() -> None:
    words = ("Jordan", "and", "Nora")
    plain = {"start": 2, "end": 3, "type": "PER", "kind": "plain"}
    posts = [
        Post(str(i), words, metadata={"mentions": [{"start": 0, "end": 1, "type": t, "kind": "ambiguous"}, plain]})
        for i, t in enumerate(TYPES)
    ]
    ceiling = text_only_ceiling(posts)
    # Guessing: 5 of 8 right, F1 5/8. Silence: 4 of 4 right of 8, F1 2 * 4 / 12.
    assert ceiling.overall_f1 == pytest.approx(8 / 12)
    assert ceiling.ambiguous_f1 == pytest.approx(1 / 4)


def test_ceiling_refuses_posts_without_ambiguous_mentions() -> None:
    with pytest.raises(DataError, match="ambiguous"):
        text_only_ceiling([Post("1", ("hello",))])


def test_text_tells_plain_types_and_not_ambiguous_ones(splits: dict[str, list[Post]]) -> None:
    predict = naive_bayes(text_features(splits["train"], "plain"))
    assert accuracy(predict, text_features(splits["test"], "plain")) > 0.9

    predict = naive_bayes(text_features(splits["train"], "ambiguous"))
    for split in ("train", "valid", "test"):
        ceiling = text_only_ceiling(splits[split]).attained
        assert accuracy(predict, text_features(splits[split], "ambiguous")) <= ceiling + 1e-9


def test_captions_tell_the_shown_type_and_never_the_name(splits: dict[str, list[Post]]) -> None:
    def features(posts: list[Post]) -> Examples:
        return [(post.contexts["caption"].split(), post.metadata["shown"]) for post in posts if post.contexts]

    assert accuracy(naive_bayes(features(splits["train"])), features(splits["test"])) > 0.95
    for post in splits["train"] + splits["test"]:
        caption = post.contexts.get("caption", "")
        for m in post.metadata["mentions"]:
            assert not {word.lower() for word in post.words[m["start"] : m["end"]]} & set(caption.split())
        assert (post.metadata["noun"] or "") in caption


def test_pictures_of_plain_posts_are_related_unrelated_or_missing(splits: dict[str, list[Post]]) -> None:
    for posts in splits.values():
        for post in posts:
            types = {m["type"] for m in post.metadata["mentions"]}
            picture, shown = post.metadata["picture"], post.metadata["shown"]
            assert (shown is None) == (picture == "missing") == (not post.contexts)
            if shown is not None:
                assert (shown in types) == (picture == "related")
        pictures = Counter(post.metadata["picture"] for post in posts if not post.metadata["group"])
        assert min(pictures[kind] for kind in ("related", "unrelated", "missing")) > 0.15 * pictures.total()


def test_a_third_is_novel_in_test_and_nothing_elsewhere(splits: dict[str, list[Post]]) -> None:
    for split, posts in splits.items():
        of_split = [m for post in posts for m in post.metadata["mentions"]]
        for key in ("novel_name", "novel_sentence"):
            share = sum(m[key] for m in of_split) / len(of_split)
            assert 0.25 < share < 0.42 if split == "test" else share == 0
        styles = [post.metadata["novel_style"] for post in posts if post.metadata["style"]]
        assert 0.25 < sum(styles) / len(styles) < 0.42 if split == "test" else not any(styles)
    seen = {word for post in splits["train"] for word in post.words}
    assert not seen & {name for name in NOVEL_AMBIGUOUS if " " not in name}


def test_no_text_occurs_in_two_splits(splits: dict[str, list[Post]]) -> None:
    texts = [{post.words for post in posts} for posts in splits.values()]
    assert sum(map(len, texts)) == len(set().union(*texts))


def test_the_seed_decides_everything() -> None:
    posts = generate_demo_posts(120, 3)
    assert posts == generate_demo_posts(120, 3, pictures=False)
    assert posts["train"] != generate_demo_posts(120, 4)["train"]
    plain = [[p.id, p.words, p.tags, p.contexts, p.metadata] for of_split in posts.values() for p in of_split]
    # The same on every Python and platform: measured on 3.10, 3.11, 3.12 and 3.13.
    digest = hashlib.sha256(json.dumps(plain).encode()).hexdigest()
    assert digest.startswith("c593664af2f9c51c")


def test_posts_survive_json(splits: dict[str, list[Post]]) -> None:
    for post in splits["test"]:
        assert replace(post, metadata=json.loads(json.dumps(post.metadata))) == post


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 16"):
        generate_demo_posts(15)
