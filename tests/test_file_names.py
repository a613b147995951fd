"""Every name gets a file of its own, on file systems that ignore case, too."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mner.file_names import MAX_BYTES, file_names


@given(
    st.lists(
        st.text(max_size=6)
        | st.sampled_from(["a", "a_2", "A", "a/", "a_", ".", "..", "con", "NUL.txt", "é", "e\u0301"])
    )
)
def test_names_are_safe_and_no_two_are_the_same_file(names):
    made = file_names(names)
    assert len(made) == len(names)
    assert len({unicodedata.normalize("NFKC", name).casefold() for name in made}) == len(made)
    for name in made:
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\:*?"<>|\0\n ')
        assert not name.startswith(("-", "."))
        assert len(name.encode()) <= MAX_BYTES + 5


def test_long_ids_keep_apart():
    made = file_names(["x" * 300, "x" * 300, "漢" * 200])
    assert len(set(made)) == 3
    assert max(len(name.encode()) for name in made) <= MAX_BYTES + 5


def test_a_number_does_not_meet_an_id_that_ends_on_it():
    assert file_names(["x", "x_2", "x"]) == ["x", "x_2", "x_3"]
    assert file_names(["a b", "a_b", "a_b_2"]) == ["a_b", "a_b_2", "a_b_2_2"]


def test_ordinary_ids_are_kept():
    assert file_names(["16_05_01_133", "17.06.1"]) == ["16_05_01_133", "17.06.1"]
