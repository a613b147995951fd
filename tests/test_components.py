"""Parts that remember how they were built."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
from torch import nn

from mner.components import Component, check_arguments, class_path, from_config, to_config
from mner.errors import CheckpointError


class Inner(Component, nn.Module):
    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.linear = nn.Linear(size, size)


class Outer(Component):
    def __init__(self, inner, name="x", folder=None, sizes=(1, 2), options=None) -> None:
        self.inner, self.name, self.folder, self.sizes, self.options = inner, name, folder, sizes, options


class Derived(Outer):
    def __init__(self, depth: int = 1, **kwargs) -> None:
        super().__init__(**kwargs)
        self.depth = depth


class Changing(Component):
    def __init__(self, name: str) -> None:
        self.name = name.upper()


def test_the_record_holds_defaults_and_positional_arguments():
    config = to_config(Outer(Inner(3), "y"))
    assert config == {
        "class_path": class_path(Outer),
        "init_args": {
            "inner": {"class_path": class_path(Inner), "init_args": {"size": 3}},
            "name": "y",
            "folder": None,
            "sizes": [1, 2],
            "options": None,
        },
    }


def test_what_the_constructor_makes_of_an_argument_is_not_recorded():
    assert to_config(Changing("a"))["init_args"] == {"name": "a"}


def test_keyword_arguments_of_the_base_are_flattened():
    arguments = to_config(Derived(depth=3, inner=Inner(), name="z"))["init_args"]
    assert (arguments["depth"], arguments["name"]) == (3, "z")
    assert "kwargs" not in arguments


def test_rebuilding_gives_the_same_config_and_survives_json():
    config = to_config(Derived(inner=Inner(4), folder=Path("a/b"), options={"parts": [Inner(5)]}))
    rebuilt = from_config(json.loads(json.dumps(config)))
    assert isinstance(rebuilt, Derived)
    assert rebuilt.inner.linear.in_features == 4
    assert rebuilt.options["parts"][0].linear.in_features == 5
    assert rebuilt.folder == "a/b"
    assert to_config(rebuilt) == config


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda part: pickle.loads(pickle.dumps(part))])
def test_copies_remember_too(clone):
    part = Outer(Inner(3), "y")
    twin = clone(part)
    assert to_config(twin) == to_config(part)
    assert twin.inner.linear.weight.equal(part.inner.linear.weight)


def test_the_record_is_each_objects_own():
    first, second = Inner(3), Inner(4)
    assert to_config(first)["init_args"] != to_config(second)["init_args"]


def test_an_argument_that_is_not_plain_data_is_named():
    with pytest.raises(TypeError, match=r"Outer\(inner=...\) contains a Linear"):
        to_config(Outer(nn.Linear(1, 1)))
    with pytest.raises(TypeError, match=r"Outer\(options=...\)\['a'\]\[1\] contains a set"):
        to_config(Outer(None, options={"a": [1, {2}]}))


def test_a_wrong_argument_is_refused_as_python_does():
    with pytest.raises(TypeError, match="unexpected keyword"):
        Inner(width=3)


class Fetching(Component):
    def __init__(self, weights: str | None = "hub", size: int | None = None) -> None:
        self.size = 5 if size is None else size

    def checkpoint_arguments(self):
        return {**super().checkpoint_arguments(), "weights": None, "size": self.size}


def test_a_part_says_what_a_checkpoint_keeps_of_it():
    part = Fetching()
    assert to_config(Outer(part))["init_args"]["inner"]["init_args"] == {"weights": None, "size": 5}
    assert part.checkpoint_arguments() is not part.checkpoint_arguments()
    part.checkpoint_arguments().clear()
    assert to_config(part)["init_args"] == {"weights": None, "size": 5}


class Around:
    class Nested(Component):
        pass


def local_class():
    class Local(Component):
        pass

    return Local


def class_of_a_script():
    return type("Own", (Component,), {"__module__": "__main__"})


def hidden_class():
    return type("Inner", (Component,), {"__module__": __name__})


@pytest.mark.parametrize("make", [local_class, class_of_a_script, hidden_class, lambda: Around.Nested])
def test_a_class_that_could_not_be_imported_is_refused_when_it_is_saved(make, monkeypatch):
    cls = make()
    monkeypatch.setattr("__main__.Own", cls, raising=False)
    for part in (cls(), Outer([cls()])):
        with pytest.raises(CheckpointError, match=rf"the class {class_path(cls)} cannot be kept .*; define it at the"):
            to_config(part)


def test_arguments_are_checked_before_anything_is_saved():
    check_arguments(Outer(local_class()()))
    with pytest.raises(TypeError, match=r"Outer\(options=...\) contains a set"):
        check_arguments(Outer(Outer(None, options={1})))


def test_no_part_is_built_before_all_classes_are_found():
    config = to_config(Outer(Outer(None)))
    config["init_args"]["options"] = [{"class_path": "pathlib.Path", "init_args": {}}]
    with pytest.raises(CheckpointError, match=r"pathlib.Path is not a Component"):
        from_config(config)


@pytest.mark.parametrize("arguments", [None, [], "size", 3])
def test_arguments_that_are_not_given_by_name(arguments):
    with pytest.raises(CheckpointError, match="expected init_args by name"):
        from_config({"class_path": class_path(Inner), "init_args": arguments})
