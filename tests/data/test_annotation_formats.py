"""GLiNER2, MNRE, brat, BILOU, BMES, IOB1 and CoNLL-U: read with the entities that they encode, or named."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mner.data import PostFiles
from mner.data.post_facts import count_openings
from mner.data.readers import iter_posts, read_posts
from mner.errors import FormatError
from mner.labels import spans, tags_of, to_bio
from mner.posts import Entity

TYPES = ("PER", "LOC")


@st.composite
def entities(draw):
    """A number of words, and entities in some of them."""
    bounds = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    return 13, [Entity(draw(st.sampled_from(TYPES)), start, end) for start, end in pairs]


def iob1(length, given):
    """Entities as IOB1, written independently of the library."""
    tags = ["O"] * length
    for entity in given:
        tags[entity.start : entity.end] = [f"I-{entity.type}"] * (entity.end - entity.start)
    for before, entity in pairwise(given):
        if before.end == entity.start and before.type == entity.type:
            tags[entity.start] = f"B-{entity.type}"
    return tags


def other_scheme(scheme, length, given):
    begin, inside, last, single = scheme
    tags = ["O"] * length
    for entity in given:
        size = entity.end - entity.start
        prefixes = single if size == 1 else f"{begin}{inside * (size - 2)}{last}"
        tags[entity.start : entity.end] = [f"{prefix}-{entity.type}" for prefix in prefixes]
    return tags


def conll(path, *posts):
    blocks = ("".join(f"w{place}\t{tag}\n" for place, tag in enumerate(tags)) for tags in posts)
    path.write_text("\n".join(blocks), encoding="utf-8")
    return path


PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)


@PROPERTY
@given(given=entities())
@pytest.mark.parametrize("scheme", ["BILU", "BMES", "BMEW"])
@pytest.mark.filterwarnings("ignore:.*are read as BIOES")
def test_other_schemes_have_the_entities_of_bioes(tmp_path, scheme, given):
    length, expected = given
    tags = other_scheme(scheme, length, expected)
    (post,) = read_posts(conll(tmp_path / "a.txt", tags))
    assert list(post.tags) == tags_of(expected, length, "BIOES")
    (tmp_path / "a.jsonl").write_text(json.dumps({"tokens": ["w"] * length, "label": tags}), encoding="utf-8")
    assert read_posts(tmp_path / "a.jsonl")[0].tags == post.tags


@pytest.mark.parametrize("tag", ["U-PER", "L-PER", "M-PER", "W-PER"])
def test_other_schemes_are_noted(tmp_path, tag):
    with pytest.warns(UserWarning, match=f"are read as BIOES.*{tag}"):
        read_posts(conll(tmp_path / "a.txt", [tag]))


@PROPERTY
@given(entities())
def test_iob1_is_read_as_bio(tmp_path, given):
    length, expected = given
    assume(len(expected) > 1)
    data = PostFiles(train=conll(tmp_path / "a.txt", iob1(length, expected)), valid=conll(tmp_path / "b.txt", ["O"]))
    assert list(data.read("train")[0].tags) == tags_of(expected, length)
    assert [entity.span for entity in spans(iob1(length, expected))] == [entity.span for entity in expected]


def test_bio_with_slips_is_left_as_it_is(tmp_path):
    slips = ["I-PER", "O", "I-LOC", "O", "I-PER", "O"]
    for tags in ([*slips, "B-PER"], ["I-PER", "O"], ["I-PER", "O", "I-PER", "S-LOC"]):
        data = PostFiles(train=conll(tmp_path / "a.txt", tags), valid=conll(tmp_path / "b.txt", ["O"]))
        assert data.read("train")[0].tags == tuple(tags)
    assert count_openings(("I-LOC", "B-LOC", "B-PER", "O", "I-PER", "I-PER")) == (1, 2)


TEXT = "Ana and Ana Ruiz like New York, not New York City. ANA!"


def gliner2(tmp_path, entities):
    (tmp_path / "a.jsonl").write_text(json.dumps({"input": TEXT, "output": {"entities": entities}}), encoding="utf-8")
    (post,) = read_posts(tmp_path / "a.jsonl")
    return [TEXT[start:end] + f"@{start}" for start, end, _ in post.spans], post


def test_entities_of_gliner2_are_found_in_the_text(tmp_path):
    with pytest.warns(UserWarning, match="read at every place.*Ana"):
        found, _ = gliner2(tmp_path, {"person": ["Ana", "Ana Ruiz"], "place": ["New York City", "New York"]})
    assert found == ["Ana@0", "Ana Ruiz@8", "New York@22", "New York City@36", "ANA@51"]
    (found, post) = gliner2(tmp_path, {"place": "New York City"})
    assert (found, post.is_raw, post.spans[0][2]) == (["New York City@36"], True, "place")
    assert gliner2(tmp_path, {})[1].spans == ()
    for entities, said in (({"p": ["na"]}, "'na' .p. is not in the text"), ({"p": ["Ana", ""]}, "words of entities")):
        with pytest.raises(FormatError, match=said):
            gliner2(tmp_path, entities)


MNRE = {
    "token": ["RT", "@Ana", "in", "Oslo"],
    "h": {"name": "@Ana", "pos": [1, 2]},
    "t": {"name": "Oslo", "pos": [3, 4]},
    "img_id": "twitter_19_31.jpg",
    "relation": "/per/loc/place_of_residence",
}


@pytest.mark.parametrize("encode", [str, json.dumps])
def test_lines_of_mnre_are_posts_without_annotation(tmp_path, encode):
    (tmp_path / "ours_train.txt").write_text(f"{encode(MNRE)}\n{encode(MNRE)}\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="MNRE annotates two mentions.*2 lines"):
        first, second = read_posts(tmp_path / "ours_train.txt")
    assert (first.words, first.tags, first.image.name) == (tuple(MNRE["token"]), None, "twitter_19_31.jpg")
    assert first.metadata["mnre"] == {"head": MNRE["h"], "tail": MNRE["t"], "relation": MNRE["relation"]}
    assert first.id != second.id


@pytest.mark.parametrize(
    ("text", "surface"), [("习近平在北京", "北京"), ("ไปกรุงเทพ", "กรุงเทพ"), ("在NBA打球", "在"), ("在NBA打球", "NBA")]
)
def test_entities_of_gliner2_in_scripts_without_spaces(tmp_path, text, surface):
    record = {"input": text, "output": {"entities": {"X": [surface]}}}
    (tmp_path / "a.json").write_text(json.dumps(record), encoding="utf-8")
    (post,) = read_posts(tmp_path / "a.json")
    assert [text[start:end] for start, end, _ in post.spans] == [surface]


@pytest.mark.parametrize(("text", "surface"), [("Zoe\u0301 ran", "Zoe"), ("NBAs", "NBA"), ("नियम", "न")])
def test_gliner2_has_no_parts_of_words(tmp_path, text, surface):
    record = {"input": text, "output": {"entities": {"X": [surface]}}}
    (tmp_path / "a.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(FormatError, match="is not in the text, as whole words"):
        read_posts(tmp_path / "a.json")


def test_descriptions_of_gliner2_are_no_annotation(tmp_path):
    output = {"entities": {"PER": ["Ana"]}, "entity_descriptions": {"PER": "Ana", "LOC": "Riga"}}
    (tmp_path / "a.json").write_text(json.dumps({"input": "Ana in Riga", "output": output}), encoding="utf-8")
    (post,) = read_posts(tmp_path / "a.json")
    assert post.spans == ((0, 3, "PER"),)
    assert post.metadata == {"entity_descriptions": {"PER": "Ana", "LOC": "Riga"}}


def brat(folder, text, annotations, name="33"):
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_text(annotations, encoding="utf-8")
    return folder


STANDOFF = "T1\tPER 0 3\tZoë\nT2\tLOC 8 16\tNew York\nR1\tat Arg1:T1 Arg2:T2\nA1\tSure T1\n#1\tNote T1\tx\n"


def test_folders_of_brat(tmp_path):
    brat(tmp_path, "Zoë 😀\r\n\tNew\nYork", STANDOFF)
    (tmp_path / "33.jpg").touch()
    (tmp_path / "34.txt").write_text("nothing", encoding="utf-8")
    brat(tmp_path, "none", "", "35")
    with pytest.warns(UserWarning, match="of brat are left out"):
        posts = read_posts(tmp_path, images=tmp_path)
    assert [(post.id, post.spans) for post in posts] == [
        ("33", ((0, 3, "PER"), (8, 16, "LOC"))),
        ("34", None),
        ("35", ()),
    ]
    assert posts[0].text[8:16] == "New\nYork"  # the line breaks count as they are in the file
    assert [post.image for post in posts] == [tmp_path / "33.jpg", None, None]


def test_images_of_brat_are_those_that_are_named_like_the_text(tmp_path):
    for name in ("a", "a.b", "a1", "a[1]"):
        brat(tmp_path, "none", "", name)
    for name in ("a.b.jpg", "a1.jpg", "a[1].jpg", "a[1].png", "a1.jpg.txt~"):
        (tmp_path / name).touch()
    found = {post.id: [image.name for image in post.images] for post in read_posts(tmp_path)}
    assert found == {"a": [], "a.b": ["a.b.jpg"], "a1": ["a1.jpg"], "a[1]": ["a[1].jpg", "a[1].png"]}
    (alone,) = read_posts(tmp_path / "a[1].ann")
    assert [image.name for image in alone.images] == ["a[1].jpg", "a[1].png"]


def test_subfolders_of_brat_are_read(tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        brat(folder, "Ana sings", "T1\tPER 0 3\tAna\n")
        (folder / "33.jpg").touch()
    posts = read_posts(tmp_path, images=tmp_path)
    assert [(post.id, post.image, post.spans) for post in posts] == [
        (f"{name}/33", tmp_path / name / "33.jpg", ((0, 3, "PER"),)) for name in "ab"
    ]
    brat(tmp_path, "none", "", "1")
    assert [post.id for post in read_posts(tmp_path)] == ["1", "a/33", "b/33"]


def test_brat_splits_an_entity_at_a_line_break(tmp_path):
    brat(tmp_path, "Ana\nRuiz sings", "T1\tPER 0 3;4 8\tAna Ruiz\n")
    assert read_posts(tmp_path)[0].spans == ((0, 8, "PER"),)
    brat(tmp_path, "Ana\nRuiz sings", "T1\tPER 0 8\tEva Ruiz\n")
    with pytest.raises(FormatError, match=r"reads 'Ana.nRuiz', but the file says 'Eva Ruiz'"):
        read_posts(tmp_path)


def test_a_discontinuous_entity_of_brat_is_named(tmp_path):
    brat(tmp_path, "Ana and Eva Ruiz", "T1\tPER 0 3;12 16\tAna Ruiz\nT2\tPER 8 16\tEva Ruiz\n")
    with pytest.raises(FormatError, match=re.escape("T1 of 33 is discontinuous: 'Ana Ruiz', a PER in several parts")):
        read_posts(tmp_path)
    with pytest.warns(UserWarning, match="T1 of 33 is discontinuous"):
        (post,) = iter_posts(tmp_path / "33.ann", lenient=True)
    assert post.spans == ((8, 16, "PER"),)
    brat(tmp_path, "Ana", "T1 PER 0 3 Ana\n")
    with pytest.raises(FormatError, match=re.escape(f"{tmp_path / '33.ann'}, line 1: the annotation 'T1 PER")):
        read_posts(tmp_path)
    brat(tmp_path, "Ana", "T1\tPER 0 3\tEva\n")
    with pytest.raises(FormatError, match=re.escape(f"{tmp_path / '33.ann'}, row 1: the span 0-3 (PER) reads 'Ana'")):
        read_posts(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("B-PER O O B-LOC\nB-PER O O O\n", "tags without their words"),
        ("O O O\nO O\n", "tags without their words"),
        ("B-PER\nO\n\nO\n", "tags without their words"),
        ("Ana is in Oslo\tB-PER O O B-LOC\nBo\tB-PER\n", "a post and its tags in one line"),
        ("Ana is in Oslo ||| B-PER O O B-LOC\nhi ||| O\n", "a post and its tags in one line"),
    ],
)
def test_tags_of_whole_posts_are_not_conll(tmp_path, content, found):
    (tmp_path / "train.txt").write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=rf"line 1: {found}. Write a JSON object per line"):
        read_posts(tmp_path / "train.txt")


BRACKETS = r"write \(PERSON\* as B-PERSON, \* as I-PERSON within one, or else O"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("#begin document (bc/0); part 000\nbc/0 0 0 Ana NNP (PERSON*) -\n", f"OntoNotes.*{BRACKETS}"),
        ("Ana\t(PERSON*\nRuiz\t*)\nin\t*\nLugo\t(GPE)\n", f"line 1: the tag .*{BRACKETS}|bracket.*{BRACKETS}"),
        ("in *\nAna (PERSON*\nRuiz *)\nLugo (GPE)\n", f"line 1: a word and a bracket in each line.*{BRACKETS}"),
        ("in\tO\nAna\t(PER*\n", f"line 2: the tag .*{BRACKETS}"),
        (
            '<DOC DOCNO="bc/0">\n<ENAMEX TYPE="PERSON">Ana</ENAMEX>\n</DOC>\n',
            "SGML, as of OntoNotes.*without the marks",
        ),
        ('<ENAMEX TYPE="PERSON">Ana</ENAMEX> is here\n', "entities marked in them.*without the marks"),
        ("[Ana Ruiz PER] is in [Lugo LOC]\nhi [Bo PER]\n", "entities marked in them"),
        ("<PER>Ana</PER> is here\nso is <PER>Bo</PER>\n", "entities marked in them"),
        ("Ana/B-PER is/O here/O\nBo/B-PER sings/O\n", "entities marked in them"),
    ],
)
def test_brackets_and_marks_are_named(tmp_path, content, found):
    path = tmp_path / "posts.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=found):
        read_posts(path)


@pytest.mark.parametrize("text", ["<PER>Ana</PER> sings", "[Ana PER] sings", "Ana/B-PER sings/O"])
def test_marks_in_texts_are_noted(tmp_path, text):
    (tmp_path / "posts.jsonl").write_text(json.dumps({"text": text}), encoding="utf-8")
    (tmp_path / "posts.txt").write_text(f"{text}\n", encoding="utf-8")
    for name in ("posts.jsonl", "posts.txt"):
        with pytest.warns(UserWarning, match="entities marked in"):
            (post,) = iter_posts(tmp_path / name, lenient=True)
        assert (post.text, post.tags) == (text, None)


def test_comments_and_numbers_of_conll_u(tmp_path):
    content = (
        "# newdoc id = 1\n# sent_id = a\n# text = don't go\n# a remark of the annotator\n"
        "1-2\tdon't\t_\n1\tdo\tO\n2\tn't\tO\n2.1\t_\tO\n3\tOslo\tB-LOC\n\n# text_en = x\n1\tRiga\tB-LOC\n2\t#\tO\n"
    )
    (tmp_path / "a.conllu").write_text(content, encoding="utf-8")
    with pytest.warns(UserWarning, match="multi-word tokens"):
        first, second = read_posts(tmp_path / "a.conllu")
    assert (first.id, first.words, first.tags) == ("a", ("do", "n't", "Oslo"), ("O", "O", "B-LOC"))
    assert (second.words, second.tags) == (("Riga", "#"), ("B-LOC", "O"))


CONLL_U = "# sent_id = a\n" + "".join(
    f"{place}\t{word}\t_\t_\t_\t_\t_\t_\t_\t{{}}\n" for place, word in enumerate(["en", "Río", "Grande"], start=1)
)


@pytest.mark.parametrize("key", ["NER", "ner", "name"])
@pytest.mark.parametrize("outside", ["{}=O", "_", "SpaceAfter=No"])
def test_entities_among_the_features_of_conll_u(tmp_path, key, outside):
    cells = (outside.format(key), f"{key}=B-LOC|SpaceAfter=No", f"Gloss=O|{key}=I-LOC")
    (tmp_path / "a.conllu").write_text(
        f"{CONLL_U.format(*cells)}\n{CONLL_U.format('_', 'Gloss=O', '_')}", encoding="utf-8"
    )
    with pytest.warns(UserWarning, match="last column has no tags are read as not annotated .line 7"):
        first, second = read_posts(tmp_path / "a.conllu")
    assert (first.tags, second.tags) == (("O", "B-LOC", "I-LOC"), None)


def test_coreference_of_conll_u_is_not_overlooked(tmp_path):
    (tmp_path / "a.conllu").write_text(CONLL_U.format("_", "Entity=(1-place", "Entity=1)"), encoding="utf-8")
    with pytest.raises(FormatError, match=r"line 3: the tag '.1-place'"):
        read_posts(tmp_path / "a.conllu")


def test_options_that_a_format_does_not_use_are_noted(tmp_path):
    (tmp_path / "a.txt").write_text("in\tO\nOslo\tB-LOC\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="columns are not used: this is CoNLL"):
        read_posts(tmp_path / "a.txt", columns={"text": "tweet"})
    (tmp_path / "a.jsonl").write_text('{"tokens": ["in"], "tags": ["O"]}', encoding="utf-8")
    with pytest.warns(UserWarning, match="tag_column is not used"):
        read_posts(tmp_path / "a.jsonl", tag_column=2)


def test_image_folders_of_splits(tmp_path):
    for folder in ("train", "dev"):
        (tmp_path / "images" / folder).mkdir(parents=True)
        (tmp_path / "images" / folder / "33.jpg").touch()
    (tmp_path / "a.txt").write_text("IMGID:33\nOslo\tB-LOC\n", encoding="utf-8")
    data = PostFiles(train=tmp_path / "a.txt", valid=tmp_path / "a.txt", images=tmp_path / "images" / "{split}")
    assert data.read("train")[0].image == tmp_path / "images" / "train" / "33.jpg"
    assert data.read("valid")[0].image == tmp_path / "images" / "dev" / "33.jpg"
    assert data.split_images("valid") == tmp_path / "images" / "dev"


def test_to_bio_keeps_the_entities_of_iob1():
    assert to_bio(["I-LOC", "B-LOC", "I-LOC", "O", "I-PER"]) == ["B-LOC", "B-LOC", "I-LOC", "O", "B-PER"]


def test_words_of_gliner2_in_scripts_without_spaces(tmp_path):
    record = {"input": "我在北京用iPhone手机", "output": {"entities": {"LOC": ["北京"], "PRODUCT": ["iPhone"]}}}
    (tmp_path / "posts.jsonl").write_text(json.dumps(record), encoding="utf-8")
    assert read_posts(tmp_path / "posts.jsonl")[0].spans == ((2, 4, "LOC"), (5, 11, "PRODUCT"))


def test_the_last_id_before_a_post_is_its_own(tmp_path):
    path = tmp_path / "posts.conllu"
    path.write_text("# sent_id = a\n\n# sent_id=b\nOslo\tB-LOC\n\n# id c\nRiga\tB-LOC\n", encoding="utf-8")
    assert [post.id for post in read_posts(path)] == ["b", "c"]


def test_metadata_of_mnre_are_kept(tmp_path):
    line = {"token": ["Oslo"], "h": {}, "t": {}, "relation": "None", "metadata": {"lang": "no"}}
    (tmp_path / "posts.txt").write_text(repr(line), encoding="utf-8")
    with pytest.warns(UserWarning, match="MNRE"):
        (post,) = read_posts(tmp_path / "posts.txt", format="json")
    assert dict(post.metadata) == {"lang": "no", "mnre": {"head": {}, "tail": {}, "relation": "None"}}
