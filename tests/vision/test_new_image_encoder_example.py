"""The example of an image encoder outside the package works as its page says."""

import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from mner.components import from_config, to_config
from mner.plugins import load_plugins
from mner.vision import FeatureStore, create_image_encoder, list_image_encoders, registry

EXAMPLE = Path(__file__).parents[2] / "examples" / "new_image_encoder"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The example as pip would leave it: its folder on the path, its entry points beside."""
    project = ConfigParser()
    project.read(EXAMPLE / "pyproject.toml", encoding="utf-8")
    points = [f"{name} = {module[1:-1]}" for name, module in project['project.entry-points."mner.plugins"'].items()]
    information = tmp_path / "mner_colour_grid-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mner-colour-grid\nVersion: 0.1.0\n", encoding="utf-8"
    )
    (information / "entry_points.txt").write_text("\n".join(["[mner.plugins]", *points]), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    load_plugins.cache_clear()
    yield
    load_plugins.cache_clear()
    sys.modules.pop("colour_grid", None)


def test_it_is_found_by_name_encodes_and_caches(installed, tmp_path):
    encoder = create_image_encoder("colour_grid", cells=2, bins=4)
    assert list_image_encoders("colour*") == ["colour_grid"]
    image = Image.new("RGB", (50, 40), "red")
    image.paste("blue", (25, 0, 50, 20))
    pixels = encoder.image_transform.collate([encoder.image_transform(image), None])
    features = encoder(pixels, torch.tensor([True, False]))
    assert features.regions.shape == (2, 4, encoder.hidden_size) == (2, 4, 12)
    assert features.present.tolist() == [True, False]
    red, blue = features.regions[0, 2], features.regions[0, 1]
    assert red.view(3, 4)[:, 3].tolist() == [1, 0, 0]
    assert blue.view(3, 4)[2, 3] > 0.8
    assert to_config(from_config(to_config(encoder))) == to_config(encoder)
    image.save(tmp_path / "1.png")
    store = FeatureStore.of(encoder, tmp_path / "features.lmdb")
    store.fill(encoder, [tmp_path / "1.png"])
    assert torch.allclose(store.features([tmp_path / "1.png"]).regions[0], features.regions[0])
