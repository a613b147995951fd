"""CoNLL in every variety that circulates, and every way it is broken."""

import warnings
from pathlib import Path

import pytest

from mner.data.readers import iter_posts, read_posts
from mner.errors import ConfigurationError, FormatError

TWO = "IMGID:33\nSt\tO\nLouis\tI-LOC\n\nIMGID:16_05_22_47\nhi\tO\n"


@pytest.fixture
def read(tmp_path):
    def read(content: str, **options):
        path = tmp_path / "posts.txt"
        path.write_bytes(content.encode())
        return read_posts(path, **options)

    return read


@pytest.mark.parametrize(
    "content",
    [
        TWO,
        TWO.rstrip("\n"),
        TWO + "\n\n",
        "\n" + TWO,
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.replace("\t", " "),
        TWO.replace("\t", "  "),
        TWO.replace("\n\n", "\n"),
        TWO.replace("\n\n", "\n \t\n"),
        TWO.replace("\t", "\tNN\tB-NP\t"),
        TWO.replace("\t", " NN B-NP "),
    ],
    ids=[
        "plain",
        "no final blank",
        "blanks",
        "blank first",
        "crlf",
        "bom",
        "spaces",
        "two spaces",
        "no blank",
        "spaced blank",
        "4 tabs",
        "4 spaces",
    ],
)
def test_varieties_read_the_same(read, content):
    first, second = read(content)
    assert (first.id, first.words, first.tags, first.image) == ("33", ("St", "Louis"), ("O", "I-LOC"), Path("33.jpg"))
    assert (second.id, second.words, second.image) == ("16_05_22_47", ("hi",), Path("16_05_22_47.jpg"))


def test_image_folder(read):
    assert read(TWO, images=Path("pictures"))[0].image == Path("pictures/33.jpg")


@pytest.mark.parametrize("header", ["imgid:33", "IMGID:33\tO", "IMGID: 33\t", "ImgId:33"])
def test_other_spellings_of_the_header(read, header):
    post = read(f"{header}\nhi\tO\n\nIMGID:34\nx\tO\n")[0]
    assert (post.id, post.words, post.image) == ("33", ("hi",), Path("33.jpg"))


def test_where_posts_are_only_tagged_a_bad_tag_is_noted(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_text("IMGID:1\nhi\tO\nLugo\tLOC\n\nIMGID:2\nx\tO\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="an annotation is left out, because it cannot be read .line 2: the tag 'LOC'"):
        posts = list(iter_posts(path, lenient=True))
    assert [(post.words, post.tags) for post in posts] == [(("hi", "Lugo"), None), (("x",), ("O",))]


def test_without_imgid_posts_are_numbered(read):
    posts = read("a\tO\n\nb\tB-PER\n\n")
    assert [(post.id, post.words, post.image) for post in posts] == [("1", ("a",), None), ("2", ("b",), None)]


def test_document_markers_are_no_posts(read):
    assert [post.words for post in read("-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\n\n")] == [("EU",)]


def test_a_byte_order_mark_where_files_were_joined(read):
    with pytest.warns(UserWarning, match=r"byte order marks .* \(line 4\)"):
        posts = read("\ufeffIMGID:1\na\tO\n\n\ufeffIMGID:2\nb\tO\n\ufeff\tO\n")
    assert [(post.id, post.words) for post in posts] == [("1", ("a",)), ("2", ("b", "\ufeff"))]


@pytest.mark.parametrize("word", ["\xa0", "\u2028", "\u0085", "\u200b", "\ufe0f", "#", "IMGID:5", "O", "a b"])
def test_strange_words_are_kept(read, word):
    post = read(f"IMGID:1\nx\tO\n{word}\tO\n")[0]
    assert post.words == ("x", word)


def test_no_break_space_in_a_file_with_spaces(read):
    assert read("x O\n\xa0 O\n")[0].words == ("x", "\xa0")


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("gap", ["\t", " "])
def test_a_column_of_word_numbers_is_no_word(read, start, gap):
    rows = ["We PRP O", "love VBP O", "Lugo NNP B-LOC"]
    numbered = "\n".join(f"{number} {row}" for number, row in enumerate(rows, start=start)).replace(" ", gap)
    posts = read(f"{start} ok UH O\n\n".replace(" ", gap).rstrip(gap) + f"{numbered}\n\n{numbered}\n")
    assert [post.words for post in posts] == [("ok",), ("We", "love", "Lugo"), ("We", "love", "Lugo")]
    assert posts[1].tags == ("O", "O", "B-LOC")


def test_words_may_be_numbers(read):
    assert read("1\tO\n2\tO\n")[0].words == ("1", "2")
    assert read("1 NN O\n3 NN O\n2 NN O\n")[0].words == ("1", "3", "2")
    assert read("1 NN O\n2 NN O\nmany NN O\nmore NN O\n")[0].words == ("1", "2", "many", "more")


def test_a_row_without_its_number(read):
    with pytest.raises(FormatError, match="the number of the word") as caught:
        read("1 a NN O\n2 b NN O\n2-3 c NN O\n")
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("comment", "post_id"),
    [
        ("# id 5-f\tdomain=en", "5-f"),
        ("# sent_id = 7", "7"),
        ("# newdoc\n# sent_id = 7\n# text = a b O", "7"),
        ("#\thttps://example.org [2009]", "1"),
    ],
)
def test_comments_before_a_post(read, comment, post_id):
    posts = read(f"{comment}\n# _ _ O\nana _ _ B-PER\n\n{comment}\nok _ _ O\n")
    assert [post.words for post in posts] == [("#", "ana"), ("ok",)]
    assert posts[0].id == post_id


@pytest.mark.parametrize("row", ["#\tO", "# O", "#\tB-PER"])
def test_a_mark_with_a_tag_is_a_word(read, row):
    assert read(f"IMGID:1\n{row}\nx{row[1]}O\n")[0].words == ("#", "x")


@pytest.mark.parametrize("row", ["#\t0", "# a remark", "#\tPER"])
def test_a_mark_with_what_is_no_tag_is_refused(read, row):
    with pytest.raises(FormatError) as caught:
        read(f"IMGID:1\nx\tO\n\nIMGID:2\n{row}\nx\tO\n")
    assert caught.value.line == 5


@pytest.mark.parametrize("end", ["\t", " ", "\t\t", " \t "])
def test_delimiters_behind_the_tag(read, end):
    post = read(f"Ana\tB-PER{end}\nin\tO{end}\n\xa0\tO\n")[0]
    assert (post.words, post.tags) == (("Ana", "in", "\xa0"), ("B-PER", "O", "O"))


@pytest.mark.parametrize("mark", ["\xa0", "\u200b", "\ufeff", "\u3000"])
@pytest.mark.parametrize("gap", ["\t", " "])
def test_invisible_characters_make_no_type(read, mark, gap):
    with pytest.warns(UserWarning, match=r"invisible characters.*2 lines, the first is 1"):
        post = read(f"Ana{gap}B-PER{mark}\nRuiz{gap}I-{mark}PER\nok{gap}O\n")[0]
    assert post.tags == ("B-PER", "I-PER", "O")


def test_posts_of_cmner(read, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("7_2.jpg", "7_1.jpg", "71_1.jpg"):
        (images / name).touch()
    content = "WID:7\n他\tO\n京\tB-LOC\n\nWID:8\n我\tO\n"
    posts = read(content, images=images)
    assert [(post.id, post.words, post.images) for post in posts] == [
        ("7", ("他", "京"), (images / "7_1.jpg", images / "7_2.jpg")),
        ("8", ("我",), ()),
    ]


def test_untagged(read):
    posts = read("IMGID:1\nHello\nParis\n\nIMGID:2\nhi\n")
    assert [(post.words, post.tags) for post in posts] == [(("Hello", "Paris"), None), (("hi",), None)]
    assert read("Hello\nParis\n\nhi\n")[0].words == ("Hello", "Paris")
    assert read("Hello\n\x0b\n")[0].words == ("Hello", "\x0b")


def test_context_behind_the_post(read):
    post = read("IMGID:1\nhi\tO\nParis\tB-LOC\n<EOS>\tX\na\tX\ntower\tX\n\nIMGID:2\nx\tO\n")[0]
    assert (post.words, post.tags, dict(post.contexts)) == (("hi", "Paris"), ("O", "B-LOC"), {"context": "a tower"})


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("IMGID:1\nhi\tO\nParis\n", 3, "1 columns"),
        ("IMGID:1\nhi\tO\nParis\t\n", 3, "has no tag"),
        ("IMGID:1\nhi\tO\n\tO\n", 3, "tag without a word"),
        ("IMGID:1\nhi\tO\na\tb\tO\n", 3, "3 columns"),
        ("IMGID:1\nhi\tO\nParis\tPER-B\n", 3, "'PER-B'"),
        ("IMGID:1\nhi\tO\nParis\tLOC_B\n", 3, "'LOC_B'"),
        ("IMGID:1\nhi\tO\nParis\tPER\n", 3, "'PER'"),
        ("IMGID:1\nhi\tO\nParis\tN-PER\n", 3, "'N-PER'"),
        ("hi\tO\nParis\tb-loc\n", 2, "'b-loc'.*the prefixes in capitals"),
        ("hi\tO\n\n-DOCSTART- (33.jpg) O\n\nParis\tB-LOC\n", 3, "names an image: 33.jpg. Write IMGID:33.jpg"),
        ("IMGID:1\nhi\tO\nParis\tB-LOC|\n", 3, "ends in a delimiter"),
        ("IMGID:1\nhi\tO\nParis\tB-LOC|B-ORG\n", 3, "several tags of one word"),
        ("IMGID:1\nhi\tO\nParis\tB-LOC/O\n", 3, "several tags of one word"),
        ("IMGID:1\nhi\tO\nParis\tB-L\u041eC\n", 3, "mixes Cyrillic and Latin letters"),
        ("IMGID:1\nhi\tO\nParis\t\u041e\n", 3, "its first letter is cyrillic capital letter o"),
        ("IMGID:1\nhi\tO\nParis\t\u0392-LOC\n", 3, "its first letter is greek capital letter beta"),
        ("hi\t0\nParis\tB-LOC\n", 1, "'0'"),
        ("hi PER-B\nParis O\n", 1, "'PER-B'"),
        ("IMGID:1\nhi\tO\n\nIMGID:2\n\nIMGID:3\nx\tO\n", 4, "post 2 has no words"),
        ("IMGID:1\nhi\tO\n\nIMGID:2", 4, "no words"),
        ("IMGID:1\nhi\tO\n\nIMGID:\nx\tO\n", 4, "without an id"),
        ("IMGID:../1\nhi\tO\n", 1, "out of the image folder"),
        ("IMGID:/etc/x\nhi\tO\n", 1, "out of the image folder"),
        ("IMGID:1\nhi\tO\n<EOS>\tX\nx\tO\n", 4, "after the context"),
        ("IMGID:1\n<EOS>\tX\nx\tX\n", 2, "no words"),
    ],
)
def test_malformed(read, content, line, found):
    with pytest.raises(FormatError, match=found) as caught:
        read(content)
    assert caught.value.line == line
    assert caught.value.remedy


def test_a_bad_post_is_reported_and_the_rest_read(tmp_path):
    path = tmp_path / "posts.txt"
    path.write_bytes(b"IMGID:1\na\tO\n\nIMGID:2\nb\n\nIMGID:3\n\xff\tO\n\nIMGID:4\nd\tO\n")
    errors = []
    posts = list(iter_posts(path, on_error=errors.append))
    assert [post.id for post in posts] == ["1", "4"]
    assert [error.line for error in errors] == [5, 8]


FINE = "IMGID:5\nAna\tB-PER\tB-singer\nRuiz\tI-PER\tI-singer\nsings\tO\tO\n\nIMGID:6\nLugo\tB-LOC\tB-city\n"
GERMEVAL = "#\thttp://x.org [2009-10-17]\n1\tAna\tB-PER\tO\n2\tRuiz\tI-PER\tO\n3\tsings\tO\tO\n"


def test_of_two_columns_of_tags_the_one_that_is_read_is_named(read):
    with pytest.warns(UserWarning, match="of column 3; column 2 has tags, too .*3 lines, the first is 2") as caught:
        fine = read(FINE)
    with pytest.warns(UserWarning, match="of column 4; column 3 has tags, too"):
        nested = read(GERMEVAL)
    assert len(caught) == 1
    with warnings.catch_warnings():  # not of columns that were chosen
        warnings.simplefilter("error")
        coarse, outer = read(FINE, tag_column=2), read(GERMEVAL, tag_column=3)
    assert [posts[0].tags for posts in (fine, coarse, nested, outer)] == [
        ("B-singer", "I-singer", "O"),
        ("B-PER", "I-PER", "O"),
        ("O", "O", "O"),
        ("B-PER", "I-PER", "O"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Ana\tB-PER\tNNP\nsings\tO\tVBZ\n",
        "Ana\tB-PER\tB-NP\nsings\tO\tO\n",
        "# id = a\n1\tAna\tB-PER\t-\tme\n2\tsings\tO\t-\tme\n",
    ],
    ids=["parts of speech", "chunks", "annotator"],
)
def test_tags_that_are_not_in_the_last_column(read, content):
    with pytest.warns(UserWarning, match="the tags are those of column [23], since the last has none"):
        (post,) = read(content)
    assert (post.words, post.tags) == (("Ana", "sings"), ("B-PER", "O"))


@pytest.mark.parametrize("last", ["B-PRE|", "Q-PER"])
def test_a_slip_in_the_last_column_is_not_another_layout(read, last):
    with pytest.raises(FormatError, match="line 1: the tag"):
        read(f"Ana\tB-NP\t{last}\nsings\tO\tO\n")


def test_a_tag_before_its_word(read):
    with pytest.raises(FormatError, match="line 1: a tag before its word"):
        read("B-PER\tAna\nO\tsings\n")


def test_chunks_are_no_entities(read):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("Ana NNP B-NP B-PER\nsings VBZ B-VP O\n")[0].tags == ("B-PER", "O")


@pytest.mark.parametrize("column", [-1, 0, 1, 4])
def test_a_column_that_cannot_have_the_tags(read, column):
    with pytest.raises(FormatError, match=f"3 columns, where tag_column is {column}. Choose one from 2 to 3"):
        read(FINE, tag_column=column)


@pytest.mark.parametrize("column", ["2", 2.0, True])
def test_a_column_that_is_no_number(read, column):
    with pytest.raises(ConfigurationError, match="expected tag_column to be a whole number, got"):
        read(FINE, tag_column=column)
