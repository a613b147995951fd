"""Figures of the image regions that the words of a post attend to (as Figure 1 of Chen et al. 2020)."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mner.analysis.entity_boxes import import_figure
from mner.analysis.glyphs import drawable
from mner.errors import ConfigurationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
COLUMNS = 5
PANEL = 2.6  # inches
TALLEST = 1.3 * PANEL
BAR = 3.0  # inches
VEIL = 0.82
"""Opacity over a region of weight zero; the region of the largest weight is clear."""
NAMED = 3
"""Number of boxes that are labelled in a panel, those of the largest weights."""
MAX_LABEL = 26
"""In characters; a link would overlap its neighbours."""


@dataclass(frozen=True)
class Look:
    """The attention of one word, or of the words of one entity.

    Args:
        label: The word, or the entity with its type.
        regions: Weight of each region, shape ``(R,)``, or ``None`` for a method without region weights.
        gates: Value of each gate, by name.
        start: Index of the first word.
        end: Index one past the last word.
    """

    label: str
    regions: Array | None = None
    gates: Mapping[str, float] = field(default_factory=dict)
    start: int = 0
    end: int = 1


def draw_attention(
    image: Array,
    looks: Sequence[Look],
    places: Array | None = None,
    grid: tuple[int, int] | None = None,
    names: Sequence[str] | None = None,
    title: str = "",
    draw_boxes: Callable[[Axes], None] | None = None,
) -> Figure:
    """Draw one panel per look over the image; without attention to regions, a table of the gates next to it.

    A grid is dark where a word does not attend, clear where it does; margins that the encoder crops are white, since
    the model never saw them. The panels share one scale, from zero to the largest weight.

    Args:
        image: The image, shape ``(height, width, 3)``, values from 0 to 1.
        looks: The looks to draw.
        places: Box of each region in pixels, shape ``(R, 4)``.
        grid: Rows and columns, if the regions are a grid; otherwise boxes are drawn.
        names: Name of each region, for boxes.
        title: Title of the figure.
        draw_boxes: Draws what else is known into the panel of the image alone, in its pixels: the boxes of the
            entities.

    Returns:
        The figure; save it with ``savefig``.

    Raises:
        ConfigurationError: If matplotlib is not installed, or there is nothing to draw.
    """
    attended = [look for look in looks if look.regions is not None]
    if not any(look.regions is not None or look.gates for look in looks):
        raise ConfigurationError("nothing to draw: expected attention to regions or gates, got neither")
    if not attended or places is None:
        return _draw_gates(image, looks, title, draw_boxes)
    count = len(attended) + 1
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    height = min(PANEL * image.shape[0] / image.shape[1], TALLEST)
    lines = textwrap.wrap(drawable(title), width=round(columns * PANEL * 11))
    top = 0.18 * len(lines) + 0.05
    below = 0.55 if any(look.gates for look in attended) else 0.35
    size = (columns * PANEL + 0.9, rows * (height + below) + top)
    figure: Figure = import_figure()(figsize=size, dpi=110)
    figure.suptitle("\n".join(lines), fontsize=10, y=1 - 0.05 / size[1], va="top", parse_math=False)
    grids = figure.add_gridspec(
        rows, columns, left=0.02, right=1 - 0.9 / size[0], top=1 - (top + below) / size[1], bottom=0.06 / size[1],
        wspace=0.06, hspace=below / height,
    )  # fmt: skip
    heaviest = max(float(look.regions.max()) for look in attended if look.regions is not None)
    axes = [figure.add_subplot(grids[index // columns, index % columns]) for index in range(count)]
    _show(axes[0], image, "image")
    if draw_boxes is not None:
        draw_boxes(axes[0])
    for axis, look in zip(axes[1:], attended, strict=True):
        _show(axis, image, *_heading(look))
        if look.regions is not None:
            _look(axis, image, look.regions, places, grid, names, heaviest)
    if grid:
        bar = figure.add_axes((1 - 0.72 / size[0], 0.08, 0.14 / size[0], min(0.6, BAR / size[1])))
        scale = _scale(heaviest)
        figure.colorbar(scale, cax=bar, label=f"weight (uniform: {1 / (grid[0] * grid[1]):.3f})")
        bar.tick_params(labelsize=7)
    return figure


def _look(
    axis: Axes,
    image: Array,
    weights: Array,
    places: Array,
    grid: tuple[int, int] | None,
    names: Sequence[str] | None,
    heaviest: float,
) -> None:
    if grid:
        x1, y1 = places[0, :2]
        x2, y2 = places[-1, 2:]
        axis.imshow(
            weights.reshape(grid),
            cmap=_veil(),
            vmin=0,
            vmax=heaviest,
            extent=(x1, x2, y2, y1),
            interpolation="bilinear",
        )
        height, width = image.shape[:2]
        for left, right, top, bottom in (
            (0, x1, 0, height),
            (x2, width, 0, height),
            (x1, x2, 0, y1),
            (x1, x2, y2, height),
        ):
            axis.fill_between([left, right], top, bottom, color="white", alpha=VEIL, linewidth=0)
        axis.set_xlim(0, width)
        axis.set_ylim(height, 0)
        return
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    order = np.argsort(weights)[::-1]
    for rank, region in reversed(list(enumerate(order))):
        x1, y1, x2, y2 = places[region]
        share = float(weights[region]) / max(heaviest, 1e-12)
        if weights[region] <= 0:
            continue
        colour = "#ffd000" if rank == 0 else "white"
        box = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour)
        line = 0.5 + 3 * share
        box.set(linewidth=line, alpha=0.3 + 0.7 * share)
        box.set_path_effects([withStroke(linewidth=line + 1.2, foreground="black")])  # visible on light images, too
        axis.add_patch(box)
        if rank < NAMED:
            name = f"{drawable(names[region])} " if names else ""
            axis.annotate(
                f"{name}{weights[region]:.2f}", (x1, y1), xytext=(2, -2), textcoords="offset points", va="top",
                fontsize=6, color="black", bbox={"facecolor": colour, "alpha": 0.8, "pad": 0.8, "edgecolor": "none"},
                annotation_clip=True, parse_math=False,
            )  # fmt: skip


def _draw_gates(
    image: Array, looks: Sequence[Look], title: str, draw_boxes: Callable[[Axes], None] | None = None
) -> Figure:
    """Draw the image, and a table of gates by look."""
    names = list(dict.fromkeys(name for look in looks for name in look.gates))
    values = np.array([[look.gates.get(name, np.nan) for name in names] for look in looks])
    height = max(2.6, 0.24 * len(looks) + 0.9)
    lines = textwrap.wrap(drawable(title), width=80)
    size = (4.2 + 0.9 * len(names) + 1.6, height + 0.22 * len(lines))
    figure: Figure = import_figure()(figsize=size, dpi=110)
    figure.suptitle("\n".join(lines), fontsize=10, y=1 - 0.05 / size[1], va="top", parse_math=False)
    top = 1 - (0.55 + 0.22 * len(lines)) / size[1]
    shown = figure.add_axes((0.01, 0.03, 3.8 / size[0], top - 0.03))
    _show(shown, image, "image")
    if draw_boxes is not None:
        draw_boxes(shown)
    table = figure.add_axes((5.4 / size[0], 0.03, 0.9 * len(names) / size[0], top - 0.03))
    table.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    table.set_yticks(range(len(looks)), [_label(look) for look in looks], fontsize=8, parse_math=False)
    table.set_xticks(range(len(names)), list(map(drawable, names)), fontsize=8, parse_math=False)
    table.xaxis.tick_top()
    table.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "black" if value > 0.6 else "white"
            table.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    return figure


def _show(axis: Axes, image: Array, *heading: str) -> None:
    axis.imshow(image, extent=(0, image.shape[1], image.shape[0], 0))
    axis.set_title("\n".join(map(drawable, heading)), fontsize=8, parse_math=False)
    axis.set_axis_off()


def _heading(look: Look) -> list[str]:
    gates = ", ".join(f"{name} {value:.2f}" for name, value in look.gates.items())
    return [_label(look), gates] if gates else [_label(look)]


def _label(look: Look) -> str:
    label = drawable(look.label)
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"


def _scale(heaviest: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(0, heaviest), _veil())


def _veil() -> Any:
    """A map from dark, over what is not attended to, to transparent, so that what is attended to is seen."""
    from matplotlib.colors import ListedColormap

    opacity = VEIL * (1 - np.linspace(0, 1, 256) ** 0.7)
    return ListedColormap(np.stack([*np.zeros((3, 256)), opacity], axis=1), name="veil")
