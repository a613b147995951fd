"""The tokeniser cuts as the Twitter data sets do and loses nothing that is visible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mner.word_tokenizers import CharacterTokenizer, TweetTokenizer, WhitespaceTokenizer
from mner.word_tokenizers.characters import is_invisible


def split_words(text, **options):
    """The words of a text, and their offsets."""
    offsets = TweetTokenizer(**options).offsets(text)
    return [text[start:end] for start, end in offsets], offsets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's O'Hare", "It|'|s|O|'|Hare"),
        ("U.S. T-Mobile", "U|.|S|.|T|-|Mobile"),
        ("RT @BBC_World: #Riga!", "RT|@BBC_World|:|#Riga|!"),
        ("(see http://t.co/oTD).", "(|see|http://t.co/oTD|)|."),
        (
            "https://t.co/aI0 www.x.org/a?b=1&c=2, pic.twitter.com/A1",
            "https://t.co/aI0|www.x.org/a?b=1&c=2|,|pic.twitter.com/A1",
        ),
        ("http:// t.co", "http://|t|.|co"),
        ("mail a.b@c.co.uk now", "mail|a.b@c.co.uk|now"),
        ("10,000 at 11:30pm, 7.", "10,000|at|11:30pm|,|7|."),
        ("AT&amp;T &lt; 3", "AT|&amp;|T|&lt;|3"),
        ("so :) :-( ;D", "so|:)|:-(|;D"),
        (
            "\U0001f469\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\U0001f44d\U0001f3fd",
            "\U0001f469\u200d\U0001f469\u200d\U0001f467|\u2764\ufe0f|\U0001f44d\U0001f3fd",
        ),
        (
            "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 1\ufe0f\u20e3",
            "\U0001f1e9\U0001f1ea|\U0001f1eb\U0001f1f7|1\ufe0f\u20e3",
        ),
        ("e\u0301t\u0301 हिन्दी", "e\u0301t\u0301|हिन्दी"),
        ("a\u00a0b\u2028c\u200bd \ufe0f", "a|b|c|d"),
        ("#1 # @", "#1|#|@"),
        ("", ""),
    ],
)
def test_cuts(text, words):
    assert split_words(text, split_marks=False)[0] == [word for word in words.split("|") if word]


def test_marks_are_split_off_by_default():
    assert split_words("@BBC #Riga 1\ufe0f\u20e3")[0] == ["@", "BBC", "#", "Riga", "1\ufe0f\u20e3"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("他在北京工作", "他|在|北|京|工|作"),
        ("iPhone在北京11:30开卖!", "iPhone|在|北|京|11:30|开|卖|!"),
        ("東京タワーへ go", "東|京|タ|ワ|ー|へ|go"),
        ("ไปกรุงเทพที่", "ไ|ป|ก|รุ|ง|เ|ท|พ|ที่"),
        ("서울에서 12월", "서울에서|12월"),
    ],
)
def test_scripts_without_spaces_are_split_per_character(text, words):
    assert split_words(text)[0] == words.split("|")
    assert len(split_words(text, split_unspaced=False)[0]) <= 4


@given(
    st.text(alphabet=st.characters() | st.sampled_from("@#_.:/'-\u200d\ufe0f\U0001f469 ht北が"), max_size=60),
    st.sampled_from([*map(TweetTokenizer, (True, False)), WhitespaceTokenizer(), CharacterTokenizer()]),
)
def test_everything_visible_is_in_exactly_one_word(text, tokenizer):
    offsets = tokenizer.offsets(text)
    words = [text[start:end] for start, end in offsets]
    assert words == [text[start:end] for start, end in offsets]
    end = 0
    for start, stop in offsets:
        assert end <= start < stop
        assert is_invisible(text[end:start].replace("\ufffd", "x"))
        end = stop
    assert is_invisible(text[end:].replace("\ufffd", "x"))


@pytest.mark.parametrize(
    "text", ["a.-+" * 20000, "http://" * 10000, "@" * 20000, "1.1." * 20000, "a" * 100000, "北" * 20000]
)
def test_long_junk_takes_linear_time(text):
    words, _ = split_words(text)
    assert "".join(words) == text


def test_invisible_words():
    assert all(map(is_invisible, ["", "\xa0", "\u200b", "\u200d", "\ufe0f", "\ufffd", "\x92", "\xad"]))
    assert not any(map(is_invisible, ["a", "_", ".", "\u2764\ufe0f", "\u0301"]))
