"""Attention figures: a panel a look, gates in words, boxes by weight, and what cannot be drawn is refused."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mner.analysis.attention_figures import Look, draw_attention
from mner.errors import ConfigurationError

PICTURE = np.zeros((20, 30, 3))
CELLS = np.array([[5 + 10 * column, 10 * row, 15 + 10 * column, 10 + 10 * row] for row in (0, 1) for column in (0, 1)])


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


def test_a_panel_a_look_with_its_gates_on_one_scale():
    looks = [
        Look("Nike", np.array([0.7, 0.1, 0.1, 0.1]), {"visual": 0.25}),
        Look("in", np.array([0.25, 0.25, 0.25, 0.25]), {"visual": 0.5}),
    ]
    figure = draw_attention(PICTURE, looks, CELLS, grid=(2, 2), title="Nike in Oslo")
    assert titles(figure) == ["image", "Nike\nvisual 0.25", "in\nvisual 0.50"]
    heat = [image for axis in figure.axes[1:3] for image in axis.images[1:]]
    assert [image.get_array().tolist() for image in heat] == [[[0.7, 0.1], [0.1, 0.1]], [[0.25, 0.25], [0.25, 0.25]]]
    assert {image.get_clim() for image in heat} == {(0, 0.7)}
    assert {tuple(image.get_extent()) for image in heat} == {(5, 25, 20, 0)}
    assert "uniform: 0.250" in figure.axes[-1].get_ylabel()


def test_boxes_are_as_strong_as_their_weights():
    figure = draw_attention(
        PICTURE, [Look("Nike", np.array([0.2, 0.8, 0.0, 0.0]))], CELLS, names=["dog", "shoe", "a", "b"]
    )
    light, heavy = figure.axes[1].patches
    assert (light.get_xy(), heavy.get_xy()) == ((5, 0), (15, 0))
    assert light.get_linewidth() < heavy.get_linewidth()
    assert {text.get_text() for text in figure.axes[1].texts} == {"dog 0.20", "shoe 0.80"}


def test_gates_alone_are_a_table():
    looks = [Look("Nike", gates={"visual": 0.75, "words": 0.25}), Look("in", gates={"visual": 0.5, "words": 0.5})]
    table = draw_attention(PICTURE, looks).axes[1]
    assert table.images[0].get_array().tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert [label.get_text() for label in table.get_yticklabels()] == ["Nike", "in"]


def test_any_word_can_be_drawn(tmp_path):
    words = ["$^$ a_{", "$AAPL_{$", "http://example.org/" + "long" * 20]
    names = ["$^{$"] * 4
    looks = [Look(word, np.full(4, 0.25), {"visual": 0.5}) for word in words]
    gates = [Look(word, gates={"visual": 0.5}) for word in words]
    for figure in (draw_attention(PICTURE, looks, CELLS, names=names, title=words[0]), draw_attention(PICTURE, gates)):
        figure.savefig(tmp_path / "figure.png")
    figure = draw_attention(PICTURE, looks, CELLS, grid=(2, 2))
    assert titles(figure)[1].startswith("$^$ a_{")
    assert titles(figure)[3].startswith("http://example.org/long")
    assert "…" in titles(figure)[3]


def test_a_tall_picture_makes_no_endless_figure():
    figure = draw_attention(np.zeros((2000, 100, 3)), [Look("Nike", np.full(4, 0.25))], CELLS, grid=(2, 2))
    assert figure.get_size_inches()[1] < 5


def test_nothing_is_not_drawn():
    with pytest.raises(ConfigurationError, match="nothing to draw"):
        draw_attention(PICTURE, [Look("Nike")])
