"""Images from the wild: one RGB picture or one ImageError, whatever the file."""

import contextlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mner.errors import ConfigurationError, ImageError
from mner.images import LARGEST_ASPECT_RATIO, MOST_PIXELS, ImageLoader, load_image


def picture(width=40, height=30, mode="RGB"):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def bomb():
    """A PNG whose header promises 50,000 x 50,000 pixels."""
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    end = b"IEND"
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", 0) + end + struct.pack(">I", zlib.crc32(end))
    )  # fmt: skip


BAD = {
    "empty": (b"", "empty"),
    "text": (b"<html>404 not found</html>", "not an image"),
    "truncated": (encoded(picture(200, 200))[:2000], "truncated"),
    "truncated_png": (encoded(picture(200, 200), "PNG")[:2000], ""),
    "header_only": (encoded(picture())[:100], ""),
    "corrupt": (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), ""),
    "one_pixel": (encoded(picture(1, 1), "PNG"), "1x1 pixels, tiny"),
    "strip": (encoded(picture(1, 5000), "PNG"), "1x5000 pixels, tiny"),
    "long": (encoded(picture(10, int(10 * LARGEST_ASPECT_RATIO) + 10), "PNG"), "a strip longer than 20 to 1"),
    "bomb": (bomb(), ""),
    "enormous": (encoded(Image.new("1", (8001, 8001)), "PNG"), "enormous"),
    "postscript": (encoded(picture(), "EPS"), "not an image"),
    "float": (encoded(picture(mode="L").convert("F"), "TIFF"), "floating-point"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bad_file_is_one_error_that_names_it(name, tmp_path):
    content, reason = BAD[name]
    path = tmp_path / f"{name}.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"{name}\.jpg.*{reason}"):
        load_image(path)


def test_every_cut_of_a_file_is_an_error_or_the_whole_picture(tmp_path):
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        whole = encoded(picture(), kind)
        path = tmp_path / "cut"
        path.write_bytes(whole)
        expected = np.asarray(load_image(path))
        for length in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            with contextlib.suppress(ImageError):
                assert np.array_equal(load_image(path), expected)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("absent.jpg", "pipe.jpg", "folder.jpg", "loop.jpg", "nul\0.jpg", "x" * 300):
        for folders in ([], [tmp_path]):
            with pytest.raises(ImageError):
                load_image(tmp_path / name, folders)


def test_nothing_outside_the_image_folder_is_read(tmp_path):
    images = tmp_path / "images"
    (images / "sub").mkdir(parents=True)
    picture().save(tmp_path / "secret.png")
    picture().save(images / "sub" / "ours.png")
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    (images / "away").symlink_to(tmp_path)
    (images / "alias.png").symlink_to(images / "sub" / "ours.png")
    for name in ("../secret.png", "sub/../../secret.png", tmp_path / "secret.png", "link.png", "away/secret.png"):
        with pytest.raises(ImageError, match="outside the image folder"):
            load_image(images / name, [images])
    for name in ("sub/ours.png", "alias.png", "sub/../alias.png"):
        assert load_image(images / name, [images]).size == (40, 30)
    assert load_image(tmp_path / "secret.png").size == (40, 30)
    with pytest.raises(ImageError, match="outside"):
        load_image(images / "sub" / "ours.png", [tmp_path / "images2", images / "sub2"])
    assert load_image(images / "sub" / "ours.png", [tmp_path / "images2", images / "sub"]).size == (40, 30)


def test_an_image_folder_that_is_a_link_and_relative_paths(tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    picture().save(tmp_path / "disk" / "1.png")
    (tmp_path / "images").symlink_to(tmp_path / "disk")
    monkeypatch.chdir(tmp_path)
    for folder in ("images", tmp_path / "images", "disk/../images", "disk"):
        assert load_image("images/1.png", [folder]).size == (40, 30)
        assert load_image(tmp_path / "disk" / "1.png", [folder]).size == (40, 30)


def test_modes_become_rgb_as_they_look(tmp_path):
    path = tmp_path / "image"

    def loaded(image, kind, **options):
        path.write_bytes(encoded(image, kind, **options))
        found = load_image(path)
        assert found.mode == "RGB"
        return np.asarray(found).astype(int)

    assert abs(loaded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG") - [255, 0, 0]).max() < 5
    half = Image.new("RGBA", (20, 20), (0, 0, 255, 0))
    half.paste((0, 0, 255, 255), (0, 0, 10, 20))
    transparent = loaded(half, "PNG")
    assert transparent[5, 5].tolist() == [0, 0, 255]
    assert transparent[5, 15].tolist() == [255, 255, 255]
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 0, 200, 0])
    palette.paste(0, (0, 0, 10, 20))
    looks = loaded(palette, "PNG", transparency=0)
    assert looks[5, 5].tolist() == [255, 255, 255]
    assert looks[5, 15].tolist() == [0, 200, 0]
    ramp = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    assert abs(loaded(Image.fromarray(ramp), "PNG") - (ramp / 257)[..., None]).max() <= 1
    assert abs(loaded(Image.fromarray(ramp), "TIFF") - (ramp / 257)[..., None]).max() <= 1
    assert loaded(Image.new("LA", (20, 20), (10, 0)), "PNG").min() == 255
    assert loaded(Image.new("1", (20, 20), 1), "PNG").min() == 255


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    for kind in ("GIF", "WEBP"):
        frames[0].save(tmp_path / "moving", kind, save_all=True, append_images=frames[1:], lossless=True)
        assert abs(np.asarray(load_image(tmp_path / "moving")).astype(int) - [255, 0, 0]).max() < 3


def test_upright_by_exif_and_broken_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(40, 30)
    upright.save(tmp_path / "turned.png", exif=exif)
    turned = load_image(tmp_path / "turned.png")
    assert turned.size == (30, 40)
    assert np.array_equal(np.asarray(turned), np.rot90(np.asarray(upright), -1))
    upright.save(tmp_path / "broken.jpg", exif=b"Exif\0\0" + b"\xff" * 40)
    assert load_image(tmp_path / "broken.jpg").size == (40, 30)


def test_the_policy_has_two_names(tmp_path):
    with pytest.raises(ConfigurationError, match="'ignore'"):
        ImageLoader((tmp_path,), "ignore")
    picture().save(tmp_path / "1.png")
    loader = ImageLoader((tmp_path,))
    assert loader(tmp_path / "1.png").size == (40, 30)
    assert loader.locate(tmp_path / "1.png") == tmp_path / "1.png"
    assert MOST_PIXELS < Image.MAX_IMAGE_PIXELS
