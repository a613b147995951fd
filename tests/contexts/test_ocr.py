import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from mner.contexts import OCR
from mner.errors import ConfigurationError


@pytest.fixture
def fake_rapidocr(monkeypatch):
    """A package that takes the top left pixel for a letter, and is particular about its input as the real one is."""
    calls = []

    class RapidOCR:
        def __init__(self, params):
            calls.append(params)

        def __call__(self, pixels):
            assert pixels.flags["C_CONTIGUOUS"]
            assert pixels.dtype == np.uint8
            blue, green, red = pixels[0, 0].tolist()
            if (blue, green, red) == (255, 255, 255):
                return SimpleNamespace(txts=None, scores=None)
            return SimpleNamespace(txts=(f"red {red}", f"blue {blue}"), scores=(0.98765, np.float32(0.5)))

    monkeypatch.setitem(sys.modules, "rapidocr", SimpleNamespace(RapidOCR=RapidOCR))
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace())
    return calls


def test_lines_and_scores_or_nothing(fake_rapidocr):
    reader = OCR(threshold=0.4)
    assert fake_rapidocr[0]["Global.text_score"] == 0.4
    pictures = [Image.new("RGB", (8, 8), (200, 0, 10)), Image.new("RGB", (8, 8), "white")]
    assert reader.describe(pictures) == [
        {"ocr": ["red 200", "blue 10"], "scores": [0.988, 0.5]},
        {"ocr": [], "scores": []},
    ]
    assert reader(pictures) == ["red 200, blue 10", ""]


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(ConfigurationError, match=r"mner\[ocr\]"):
        OCR()


@pytest.mark.slow
def test_the_real_package_reads_drawn_letters():
    pytest.importorskip("rapidocr")
    pytest.importorskip("onnxruntime")
    picture = Image.new("RGB", (400, 200), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=40)
    draw.text((20, 20), "GRAND OPENING", fill="black", font=font)
    draw.text((20, 110), "Nike Store", fill="navy", font=font)
    assert OCR()([picture, Image.new("RGB", (400, 200), "white")]) == ["GRAND OPENING, Nike Store", ""]
