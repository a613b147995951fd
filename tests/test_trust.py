"""Which classes a checkpoint may name."""

import sys

import pytest

import mner
from mner.components import Component
from mner.errors import CheckpointError, ConfigurationError
from mner.plugins import load_plugins
from mner.text import CharacterCNN
from mner.trust import find_class, import_named


class Own(Component):
    pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on the path, with a module that leaves a file when it is imported."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "users_parts.py").write_text(
        "import os, pathlib\n"
        "from mner.components import Component\n"
        "from mner.text.characters import CharacterCNN\n"
        "(pathlib.Path(__file__).parent / 'imported').touch()\n"
        "class Part(Component):\n    class Nested(Component):\n        pass\n"
        "Alias = Part\n"
        "def __getattr__(name):\n    (pathlib.Path(__file__).parent / 'asked').touch()\n    return Part\n",
        encoding="utf-8",
    )
    yield tmp_path
    sys.modules.pop("users_parts", None)


def test_classes_of_mner_are_found_whether_imported_or_not(monkeypatch):
    assert find_class("mner.text.characters.CharacterCNN", Component) is CharacterCNN
    for name in [name for name in sys.modules if name.startswith("mner.contexts.updown")]:
        monkeypatch.delitem(sys.modules, name)
    assert find_class("mner.contexts.updown.captioner.UpDown", Component).__name__ == "UpDown"


def test_a_class_that_is_imported_already_is_found():
    assert find_class(f"{__name__}.Own", Component) is Own


def test_a_name_imports_no_module(folder):
    with pytest.raises(CheckpointError) as caught:
        find_class("users_parts.Part", Component)
    for naming in ("--import users_parts", 'modules=["users_parts"] in mner.load', "import users_parts in Python"):
        assert naming in str(caught.value)
    assert not (folder / "imported").exists()


def test_a_module_that_the_user_names_is_imported(folder):
    import_named(["users_parts"])
    assert find_class("users_parts.Part", Component) is sys.modules["users_parts"].Part


def test_one_string_is_one_module(folder):
    import_named("users_parts")
    assert "users_parts" in sys.modules


@pytest.mark.parametrize("name", ["no_such_module_of_anybody", "", "a b", "mner.nothing", ".relative"])
def test_a_module_that_cannot_be_imported_is_named(name):
    with pytest.raises(ConfigurationError, match=r"the module '.*' cannot be imported"):
        import_named([name])


def test_only_what_the_module_itself_defines_is_found(folder):
    import_named(["users_parts"])
    for path, complaint in [
        ("users_parts.Missing", "has no class Missing"),
        ("users_parts.Alias", "defined elsewhere, as users_parts.Part"),
        ("users_parts.CharacterCNN", "defined elsewhere, as mner.text.characters.CharacterCNN"),
        ("users_parts.Part.Nested", "is not imported"),
        ("users_parts.os.system", "is not imported"),
        ("users_parts.pathlib", "is not a Component"),
        ("users_parts.__getattr__", "expected the dotted path of a class"),
    ]:
        with pytest.raises(CheckpointError, match=complaint):
            find_class(path, Component)
    assert not (folder / "asked").exists()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("os.system", "is not a Component"),
        ("os.path.join", "is not a Component"),
        ("builtins.eval", "is not a Component"),
        ("builtins.object", "is not a Component"),
        ("torch.nn.Linear", "is not imported|defined elsewhere|is not a Component"),
        ("torch.nn.modules.linear.Linear", "is not a Component"),
        ("mner.components.to_config", "is not a Component"),
        ("mner.components.os.system", "cannot be imported"),
        ("mner.images.os.system", "cannot be imported"),
        ("mner.no_such_module.Thing", "cannot be imported"),
        ("mner.text.CharacterCNN", "defined elsewhere, as mner.text.characters.CharacterCNN"),
        ("mner.posts.NoSuchClass", "has no class"),
        ("mner.__main__.main", "expected the dotted path"),
        ("antigravity.Part", "is not imported"),
        ("Post", "expected the dotted path"),
        ("", "expected the dotted path"),
        (".", "expected the dotted path"),
        ("..mner.Post", "expected the dotted path"),
        ("mner/posts.Post", "expected the dotted path"),
        ("a" * 10_000, "expected the dotted path"),
        ("\x1b[2J.Part", "expected the dotted path"),
        (None, "expected the dotted path"),
        (3, "expected the dotted path"),
        (["mner.posts.Post"], "expected the dotted path"),
    ],
)
def test_what_is_no_component_of_a_trusted_module_is_refused(path, complaint):
    before = set(sys.modules)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        find_class(path, Component)
    assert len(str(caught.value)) < 500
    assert "\x1b" not in str(caught.value)
    assert {name for name in set(sys.modules) - before if not name.startswith("mner")} == set()


@pytest.mark.parametrize("cwd", [False, True])
def test_classes_of_an_installed_plugin(tmp_path, monkeypatch, cwd):
    """But not of one whose metadata only lie in the working directory."""
    information = tmp_path / "somebody-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text("[mner.plugins]\nparts = plugin_of_somebody\n", encoding="utf-8")
    (tmp_path / "plugin_of_somebody.py").write_text(
        "from mner.components import Component\nclass Part(Component):\n    pass\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    if cwd:
        monkeypatch.chdir(tmp_path)
    load_plugins.cache_clear()
    try:
        if cwd:
            with pytest.raises(CheckpointError, match="is not imported"):
                find_class("plugin_of_somebody.Part", Component)
        else:
            assert find_class("plugin_of_somebody.Part", Component).__name__ == "Part"
    finally:
        load_plugins.cache_clear()
        sys.modules.pop("plugin_of_somebody", None)


def test_the_documented_way_names_modules(tmp_path):
    with pytest.raises(ConfigurationError, match="the module 'no_such_fusion' cannot be imported"):
        mner.load(tmp_path / "none.ckpt", modules=["no_such_fusion"])
