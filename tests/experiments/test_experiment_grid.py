"""A grid's cells, and the commands they stand for."""

import pytest

from mner.errors import ConfigurationError
from mner.experiments import Grid, Part


def grid(**changes):
    values = {
        "models": {"a": Part(["a.yaml"], {"ablations": ["blank_images"]}), "b": Part(["b.yaml", "more.yaml"])},
        "data": {"x": Part(["x.yaml"], {"data.init_args.root": "folder"}), "y": Part()},
        "seeds": [1, 2],
        "fractions": [0.5, 1.0],
        "fraction_parts": {0.5: Part(["long.yaml"], {"trainer.max_epochs": 9})},
        "configs": ["last.yaml"],
        "options": {"trainer.max_epochs": 3, "trainer.precision": "bf16-mixed"},
    }
    return Grid(**values | changes)


def test_every_combination_once_and_a_seed_at_a_time():
    cells = list(grid().cells())
    assert len(cells) == len(grid()) == 16
    assert len({(cell.model, cell.data, cell.seed, cell.fraction) for cell in cells}) == 16
    assert [cell.seed for cell in cells] == [1] * 8 + [2] * 8


def test_the_command_of_a_cell():
    first, *_, last = grid().cells()
    assert " ".join(first.arguments) == (
        "--config a.yaml --config x.yaml --config long.yaml --config last.yaml --trainer.max_epochs 9 "
        '--trainer.precision bf16-mixed --ablations ["blank_images"] --data.init_args.root folder '
        "--seed_everything 1 --data.init_args.seed 1 --data.init_args.train_fraction 0.5"
    )
    assert " ".join(last.arguments) == (
        "--config b.yaml --config more.yaml --config last.yaml --trainer.max_epochs 3 "
        "--trainer.precision bf16-mixed --seed_everything 2 --data.init_args.seed 2 --data.init_args.train_fraction 1.0"
    )


BAD_NAMES = ("x/y", "..", ".", "", "-x", "x\n", "CON", "x" * 300)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"models": {}}, "models with at least one value"),
        ({"seeds": [1, 1]}, "none of them twice"),
        ({"fractions": [0.0]}, "above 0 and up to 1"),
        ({"fractions": [0.1]}, "fraction_parts names"),
        *(
            ({"data": {name: Part()}}, "can be folders")
            for name in ("x/y", "..", ".", "", "-x", "x\n", "CON", "x" * 300)
        ),
        ({"models": {"a": Part(), "A": Part()}}, "distinct on every system, got 'A'; for example 'A_2'"),
        ({"models": {1: Part()}}, "can be folders"),
        ({"seeds": [-1]}, "seeds from 0 to 4,294,967,295"),
        ({"seeds": [2**32]}, "seeds from 0 to 4,294,967,295"),
        ({"seeds": [1.5]}, "seeds from 0"),
        ({"fractions": [0.5, 0.50000001]}, "differ in six digits"),
        ({"fractions": [0.5, float("nan")]}, "above 0 and up to 1"),
        ({"options": {"--trainer.max_epochs": 3}}, "without --, got '--trainer.max_epochs'"),
        ({"options": {"seed_everything": 3}}, "the option seed_everything is set by the grid"),
        ({"models": {"a": Part(options={"run_folder": "x"})}}, "the option run_folder is set by the grid"),
        ({"fraction_parts": {0.5: Part(options={"data.init_args.train_fraction": 1})}}, "is set by the grid"),
    ],
)
def test_a_grid_that_cannot_be(changes, said):
    with pytest.raises(ConfigurationError, match=said):
        grid(**changes)


def test_a_config_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "x", "long", "last"):
        (tmp_path / f"{name}.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"no config 'more\.yaml'"):
        grid().check_configs()
    (tmp_path / "more.yaml").touch()
    grid().check_configs()


def test_any_option_is_an_axis():
    axes = {"model.init_args.optimization.lr": [1e-5, 3e-5], "model.init_args.decoder": ["CRF", "Softmax"]}
    grid = Grid({"text": Part(options={"trainer.max_epochs": 2})}, {"demo": Part()}, seeds=[1], axes=axes)
    cells = list(grid.cells())
    assert len(grid) == len(cells) == 4
    assert [cell.model for cell in cells] == [
        f"text-lr_{lr}-decoder_{decoder}" for lr in ("1e-05", "3e-05") for decoder in ("CRF", "Softmax")
    ]
    words = cells[1].arguments
    assert words[words.index("--model.init_args.optimization.lr") + 1] == "1e-05"
    assert words[words.index("--model.init_args.decoder") + 1] == "Softmax"
    assert words[words.index("--trainer.max_epochs") + 1] == "2"


@pytest.mark.parametrize("axes", [{"a.b": []}, {"a.b": [1, 1]}, {"a.b": "text"}, {"seed_everything": [1, 2]}])
def test_axes_need_different_values_of_an_option(axes):
    with pytest.raises(ConfigurationError):
        Grid({"text": Part()}, {"demo": Part()}, axes=axes)
