"""Images from the wild: one RGB picture or one ImageError, whatever the file."""

import contextlib
import io
import os
import socket
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mner import images
from mner.errors import ConfigurationError, ImageError
from mner.images import MAX_ASPECT_RATIO, MAX_PIXELS, ImageLoader, image_size, load_image


def picture(width=40, height=30, mode="RGB"):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(image, kind="JPEG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def flat_png(width, height):
    """A PNG whose header promises so many pixels, without any."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def with_chunks(png, *chunks):
    """A PNG with chunks behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


BAD = {
    "empty": (b"", "empty"),
    "text": (b"<html>404 not found</html>", "not an image"),
    "truncated": (encoded(picture(200, 200))[:2000], "truncated"),
    "truncated_png": (encoded(picture(200, 200), "PNG")[:2000], ""),
    "header_only": (encoded(picture())[:100], ""),
    "corrupt": (b"\x89PNG\r\n\x1a\n" + bytes(range(200)), "begins like PNG but"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "pillow-heif adds HEIF"),
    "zero_size": (flat_png(0, 5), ""),
    "wide_gif": (b"GIF89a\xff\xff\xff\xff" + encoded(Image.new("L", (9, 9)), "GIF")[10:], "enormous"),
    "video": (b"\0\0\0\x18ftypmp42" + bytes(100), "video"),
    "one_pixel": (encoded(picture(1, 1), "PNG"), "1x1 pixels, tiny"),
    "strip": (encoded(picture(1, 5000), "PNG"), "1x5000 pixels, tiny"),
    "long": (encoded(picture(10, int(10 * MAX_ASPECT_RATIO) + 10), "PNG"), "a strip longer than 20 to 1"),
    "bomb": (flat_png(50_000, 50_000), "enormous"),
    "large_bomb": (flat_png(10_000, 10_000), "enormous"),
    "enormous": (encoded(Image.new("1", (8001, 8001)), "PNG"), "enormous"),
    "postscript": (encoded(picture(), "EPS"), "of the format EPS; expected one of JPEG"),
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


def test_names_that_lead_out_are_refused_and_links_are_followed(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    picture().save(tmp_path / "secret.png")
    picture().save(folder / "sub" / "ours.png")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "away").symlink_to(tmp_path)
    (folder / "alias.png").symlink_to(folder / "sub" / "ours.png")
    for name in ("../secret.png", "sub/../../secret.png", "away/../../secret.png", tmp_path / "secret.png"):
        with pytest.raises(ImageError, match="outside the image folder"):
            load_image(folder / name, [folder])
    with pytest.raises(ImageError, match="no such file"):  # a name is resolved as it is written, not as links lead
        load_image(folder / "away" / ".." / "secret.png", [folder])
    for name in ("sub/ours.png", "alias.png", "sub/../alias.png", "link.png", "away/secret.png"):
        assert load_image(folder / name, [folder]).size == (40, 30)
    assert load_image(tmp_path / "secret.png").size == (40, 30)
    with pytest.raises(ImageError, match="outside"):
        load_image(folder / "sub" / "ours.png", [tmp_path / "images2", folder / "sub2"])
    assert load_image(folder / "sub" / "ours.png", [tmp_path / "images2", folder / "sub"]).size == (40, 30)


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
    assert load_image(tmp_path / "broken.jpg").size == image_size(tmp_path / "broken.jpg") == (40, 30)


@pytest.mark.parametrize("orientation", range(10))
def test_the_size_of_a_file_is_that_of_its_pixels(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(40, 30).save(tmp_path / "1.jpg", exif=exif)
    expected = (30, 40) if orientation in (5, 6, 7, 8) else (40, 30)
    assert load_image(tmp_path / "1.jpg").size == image_size(tmp_path / "1.jpg") == expected


def test_the_policy_has_two_names(tmp_path):
    with pytest.raises(ConfigurationError, match="'ignore'"):
        ImageLoader((tmp_path,), "ignore")
    picture().save(tmp_path / "1.png")
    loader = ImageLoader((tmp_path,))
    assert loader(tmp_path / "1.png").size == (40, 30)
    assert loader.locate(tmp_path / "1.png") == tmp_path / "1.png"
    assert MAX_PIXELS < Image.MAX_IMAGE_PIXELS


TEXTS = {
    "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<x>" * 700_000),
    "text": chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000),
    "deflated": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(40_000_000))),
    "deflated_itxt": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(40_000_000))),
    "profile": chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(bytes(5_000_000))),
    "many": b"".join(chunk(b"zTXt", b"k%d\0\0" % number + zlib.compress(bytes(900_000))) for number in range(100)),
    "broken": chunk(b"zTXt", b"Comment\0\0no deflate"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_and_colour_profiles_of_any_size_are_no_fault(name, tmp_path):
    png = encoded(picture(), "PNG")
    path = tmp_path / "1.png"
    path.write_bytes(with_chunks(png, TEXTS[name]))
    assert np.array_equal(np.asarray(load_image(path)), np.asarray(picture()))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load_image(with_chunks(encoded(picture(), "PNG", exif=exif), TEXTS[name])).size == (30, 40)


def test_bytes_and_pillow_images(tmp_path):
    expected = np.asarray(picture())
    png = encoded(picture(), "PNG")
    (tmp_path / "1.png").write_bytes(png)
    with Image.open(tmp_path / "1.png") as opened:
        for source in (png, picture(), opened, str(tmp_path / "1.png")):
            assert np.array_equal(np.asarray(load_image(source)), expected)
            assert ImageLoader((tmp_path,))(source).size == (40, 30)
    mine = picture(mode="L")
    load_image(mine).putpixel((0, 0), (1, 2, 3))
    assert mine.mode == "L"
    assert mine.getpixel((0, 0)) == picture(mode="L").getpixel((0, 0))
    for bad, reason in (
        (png[:200], "broken|truncated"),
        (b"", "not an image"),
        (picture(1, 1), "tiny"),
        (None, "NoneType"),
    ):
        with pytest.raises(ImageError, match=reason):
            load_image(bad)
    with pytest.raises(ImageError, match="post 7: 1x1 pixels"):
        load_image(picture(1, 1), name="post 7")


SPECIAL = {
    "pipe": lambda path: os.mkfifo(path),
    "socket": lambda path: socket.socket(socket.AF_UNIX).bind(path.name),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to(path.with_name("absent")),
    "folder": lambda path: path.mkdir(),
    "huge": lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 10**12),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_refused_without_waiting(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the whole path may be too long for a socket
    path = tmp_path / "1.png"
    SPECIAL[kind](path)
    for folders in ([], [tmp_path]):
        with pytest.raises(ImageError, match=r"1\.png: "):
            load_image(path, folders)


def test_a_pipe_that_takes_the_files_place_does_not_hang(tmp_path, monkeypatch):
    picture().save(tmp_path / "1.png")
    plain = images._locate

    def exchange(path, folders):
        found = plain(path, folders)
        (tmp_path / "1.png").unlink()
        os.mkfifo(tmp_path / "1.png")
        monkeypatch.undo()
        return found

    monkeypatch.setattr(images, "_locate", exchange)
    with pytest.raises(ImageError, match="a named pipe, not a regular file"):
        load_image(tmp_path / "1.png")


def test_a_link_that_takes_the_files_place_does_not_lead_outside(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "1.png"
    picture().save(path)
    picture().save(tmp_path / "secret.png")
    plain = images._locate

    def exchange(path, folders):
        found = plain(path, folders)
        path.unlink()
        path.symlink_to(tmp_path / "secret.png")
        monkeypatch.undo()
        return found

    monkeypatch.setattr(images, "_locate", exchange)
    with pytest.raises(ImageError, match="replaced by another file"):
        load_image(path, [tmp_path / "images"])


def test_colours_of_sixteen_bits_and_frames_of_a_tiff(tmp_path):
    ramp = np.linspace(0, 65535, 400).reshape(20, 20)
    rows = b"".join(b"\0" + row.astype(">u2").repeat(3).tobytes() for row in ramp)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert abs(np.asarray(load_image(png)) - (ramp / 257)[..., None]).max() <= 1
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green")]
    tiff = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert np.asarray(load_image(tiff)).reshape(-1, 3).max(axis=0).tolist() == [255, 0, 0]
    with pytest.raises(ImageError, match="32 bits, whose white is unknown"):
        load_image(encoded(Image.fromarray((ramp * 30000).astype(np.int32)), "TIFF"))


@pytest.mark.skipif("AVIF" not in Image.registered_extensions().values(), reason="this Pillow reads no AVIF")
def test_avif_where_pillow_reads_it():
    assert load_image(encoded(picture(), "AVIF")).size == (40, 30)
