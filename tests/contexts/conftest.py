"""A folder with good and bad pictures, and a captioner that needs no weights."""

import pytest
from PIL import Image

from mner.contexts.captioner import Captioner

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}


class ColourCaptioner(Captioner):
    """Names the colour of the first pixel; remembers the batches that it was given."""

    def __init__(self, stop_after: int | None = None):
        super().__init__()
        self.stop_after = stop_after
        self.batches = []

    def transform(self, image):
        return image.getpixel((0, 0))

    def describe(self, images):
        if self.stop_after is not None and len(self.batches) == self.stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(images))
        names = {value: name for name, value in COLOURS.items()}
        return [{"caption": f"a {names[pixel]} picture"} for pixel in images]


@pytest.fixture
def colour_captioner():
    """The class of the captioner."""
    return ColourCaptioner


@pytest.fixture
def picture_folder(tmp_path):
    """A folder of 9 pictures, 1 in a sub-folder, 3 that cannot be used, a link out of it, and a text file."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for index in range(8):
        Image.new("RGB", (16, 16), list(COLOURS.values())[index % 3]).save(folder / f"{index}.png")
    Image.new("RGB", (16, 16), COLOURS["red"]).save(folder / "more" / "8.png")
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("not an image", encoding="utf-8")
    (folder / "torn.png").write_bytes((folder / "0.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("nothing to see", encoding="utf-8")
    (folder / "link.png").symlink_to("link.png")
    return folder
