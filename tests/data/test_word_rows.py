"""Tables with a word per row: Kaggle's corpus and the like, in files and in memory."""

import io
from pathlib import Path

import pytest

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

import pandas as pd

from mner.data.readers import iter_posts, read_posts
from mner.errors import FormatError

KAGGLE = """\
Sentence #,Word,POS,Tag
Sentence: 1,Ana,NNP,B-per
,",",",",O
,in,IN,O
,Lugo,NNP,B-geo
Sentence: 2,NA,NN,O
Sentence: 3,"Said ""hi""\",VB,O
,NA,NN,B-org
"""
POSTS = [
    ("Sentence: 1", ("Ana", ",", "in", "Lugo"), ("B-per", "O", "O", "B-geo")),
    ("Sentence: 2", ("NA",), ("O",)),
    ("Sentence: 3", ('Said "hi"', "NA"), ("O", "B-org")),
]


@pytest.fixture
def write(tmp_path):
    def write(content, name="posts.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return write


def facts(posts):
    return [(post.id, post.words, post.tags) for post in posts]


def test_kaggles_corpus(write):
    path = write(KAGGLE)
    assert facts(read_posts(path)) == facts(iter_posts(path)) == POSTS
    frame = pd.read_csv(io.StringIO(KAGGLE), keep_default_na=False)
    assert facts(read_posts(frame)) == POSTS
    filled = frame.assign(**{"Sentence #": frame["Sentence #"].replace("", None).ffill()})
    filled.to_parquet(path.with_suffix(".parquet"))
    assert facts(read_posts(filled)) == facts(read_posts(path.with_suffix(".parquet"))) == POSTS
    with pytest.raises(FormatError, match=r"row 5: a row without a word in the column 'Word'.*keep_default_na=False"):
        read_posts(pd.read_csv(io.StringIO(KAGGLE)))  # which reads NA as missing


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("sentence_id,words,labels\n7,in,O\n7,Lugo,B-LOC\n8,x,O\n", None),  # simpletransformers
        (",word,pos,tag,sentence_idx\n0,in,IN,O,7\n1,Lugo,NN,B-LOC,7\n2,x,NN,O,8\n", None),
        ("n;form;gold\n7;in;O\n7;Lugo;B-LOC\n8;x;O\n", {"id": "n", "tokens": "form", "ner_tags": "gold"}),
        ("Sentence\tToken\tNER\n7\tin\tO\n\tLugo\tB-LOC\n\t\t\n8\tx\tO\n", None),
    ],
)
def test_other_names(write, content, columns):
    path = write(content, "posts.tsv" if "\t" in content else "posts.csv")
    expected = [("7", ("in", "Lugo"), ("O", "B-LOC")), ("8", ("x",), ("O",))]
    assert facts(read_posts(path, columns=columns)) == expected
    frame = pd.read_csv(path, sep=None, engine="python").dropna(how="all")
    assert facts(read_posts(frame, columns=columns)) == expected


def test_images_and_words_without_tags(write):
    first, second = read_posts(write("post_id,token,image\n1,in,a.jpg\n1,Lugo,a.jpg\n2,x,\n"))
    assert (first.image, first.tags, second.image) == (Path("a.jpg"), None, None)
    with pytest.raises(FormatError, match="line 3: two values of image"):
        read_posts(write("post_id,token,image\n1,in,a.jpg\n1,Lugo,b.jpg\n"))


def test_posts_of_one_word_are_not_rows_of_words(write):
    """Their words are under ``words``, with a tag for each of them."""
    posts = read_posts(write("sentence_id,words,labels\n7,Ana,B-PER\n8,Ana in Lugo,B-PER O B-LOC\n"))
    assert [post.words for post in posts] == [("Ana",), ("Ana", "in", "Lugo")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (",Word,Tag\n0,Ana,B-PER\n", r"line 2: a table with a word per row \(column 1, Word, Tag\), and no column of"),
        ("words,labels\nAna,B-PER\nsings,O\n", "line 2: a table with a word per row"),
        ("Sentence #,Word,Tag\n,Ana,B-PER\n", "line 2: a word without a sentence in the column 'Sentence #'"),
        ("Sentence #,Word,Tag\n1,Ana,B-PER\n,,O\n", "line 3: a row without a word"),
        ("Sentence #,Word,Tag\n1,Ana,B-PER\n,sings,\n", "line 3: a word without a tag"),
        ("Sentence #,Word,Tag\n1,Ana,B-PER\n,sings,V\n", "line 2: the tag 'V'"),
        ("Sentence #,Word,Tag\n1,Ana,B-PER\n,sings\n", "line 3: 2 cells, where the header has 3"),
        ("Sentence #,Word,Tag,photo\n1,Ana,B-PER,\n,sings,O,3.jpg\n", "line 2: photo looks like the name of an image"),
        ("Sentence #,Sentence,Tag\n1,Ana sings,x\n", "columns={'text': 'Sentence'}"),
    ],
)
def test_malformed_tables(write, content, message):
    with pytest.raises(FormatError, match=message.replace("{", r"\{")):
        read_posts(write(content))


def test_a_bad_row_costs_its_post(write):
    errors = []
    path = write("Sentence #,Word,Tag\n1,Ana,B-PER\n,sings\n2,x,O\n,,O\n3,y,O\n")
    assert [post.id for post in iter_posts(path, on_error=errors.append)] == ["3"]
    assert [error.line for error in errors] == [3, 5]


def test_a_second_column_of_tags_is_noted(write):
    path = write("Sentence #,Word,Chunk,Coarse,Tag\n1,Ana,B-NP,B-PER,B-SINGER\n,sings,O,O,O\n")
    with pytest.warns(UserWarning, match=r"the tags are those of column Tag; Coarse has tags, too \(see columns\)"):
        assert read_posts(path)[0].tags == ("B-SINGER", "O")
    (post,) = read_posts(path, columns={"id": "Sentence #", "words": "Word", "tags": "Coarse"})
    assert post.tags == ("B-PER", "O")
