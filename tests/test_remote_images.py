"""Images at an address: fetched where a user allows it, once, within limits, and never because a data file says so."""

import base64
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import fsspec
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from mner.cli import check_data, split
from mner.cli.static_help import help_text
from mner.contexts import Reply
from mner.data.context_files import read_contexts
from mner.data.contexts import attach_contexts
from mner.data.missing_images import check_images
from mner.data.readers import iter_posts, read_posts
from mner.errors import ConfigurationError, FormatError, ImageError
from mner.images import ImageLoader, load_image
from mner.post_json import post_from_dict, post_to_dict
from mner.posts import Post
from mner.prompting import context_lines
from mner.remote_images import RemoteImages, address_of, remote_path


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(file, "PNG")
    return file.getvalue()


class Host(BaseHTTPRequestHandler):
    """An image, redirections to it and in a circle, a large file and one that never ends."""

    def do_GET(self):
        self.server.paths.append(self.path)
        moved = {"/moved": "/a.png?x=//y", "/circle": "/circle", "/file": "file:///etc/passwd"}
        if self.path in moved:
            self.send_response(302)
            self.send_header("Location", moved[self.path])
            self.end_headers()
            return
        self.send_response(200 if self.path != "/missing" else 404)
        self.end_headers()
        if self.path == "/slow":
            time.sleep(3)
        self.wfile.write(b"a" * 5000 if self.path == "/large" else png())

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture(scope="module")
def host():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.paths = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def at(host):
    host.paths.clear()
    return f"http://127.0.0.1:{host.server_port}"


LOCAL = RemoteImages(protocols=["http"], private=True, max_bytes=1000, max_seconds=1.0)


@pytest.mark.parametrize("url", ["https://a.example/" + "x/../" * 100 + "b.jpg?q=//%2F..", "s3://b/ü 1.png", "s3://.."])
def test_the_path_of_an_image_is_its_address(tmp_path, url):
    path = remote_path(url, tmp_path)
    assert address_of(path) == url
    assert ".." not in path.parts
    assert all(len(part) <= 200 for part in path.relative_to(tmp_path).parts)
    assert address_of(tmp_path / "_remote" / "33.jpg") is None
    assert address_of(Path("33.jpg")) is None


def test_an_image_is_fetched_once_when_it_is_used(tmp_path, host, at):
    (tmp_path / "posts.jsonl").write_text(json.dumps({"text": "Oslo", "image": f"{at}/moved"}) + "\n", encoding="utf-8")
    (post,) = read_posts(tmp_path / "posts.jsonl", images=tmp_path / "images", remote=LOCAL)
    check_images([post], tmp_path / "images", max_missing=0)  # it is not missing
    assert (host.paths, (tmp_path / "images").exists()) == ([], False)
    loader = ImageLoader((tmp_path / "images",), remote=LOCAL)
    assert [loader(post.image).size for _ in range(2)] == [(20, 10)] * 2
    assert loader.locate(post.image) == post.image
    with loader.open(post.image) as file:
        assert file.read() == png()
    assert host.paths == ["/moved", "/a.png?x=//y"]
    with pytest.raises(ImageError, match="no such file"):
        ImageLoader((tmp_path / "images",))(remote_path(f"{at}/other", tmp_path / "images"))
    assert len(host.paths) == 2


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/large", "more than 1,000 bytes"),
        ("/missing", "status 404"),
        ("/circle", "status 302"),
        ("/file", "expected an http or https address"),
        ("/slow", "cannot be downloaded|too slow"),
    ],
)
def test_limits_of_a_download(tmp_path, at, place, said):
    path = remote_path(at + place, tmp_path)
    with pytest.raises(ImageError, match=said):
        ImageLoader((tmp_path,), remote=LOCAL)(path)
    assert not path.exists()


def test_private_addresses_need_an_option(tmp_path, host, at):
    with pytest.raises(ImageError, match="standard port"):
        RemoteImages(["http"]).fetch(f"{at}/a.png")
    with pytest.raises(ImageError, match="private network"):
        RemoteImages(["http"]).fetch("http://127.0.0.1/a.png")
    assert host.paths == []


def test_nothing_is_written_outside_the_image_folder(tmp_path, host, at):
    loader = ImageLoader((tmp_path / "images",), remote=LOCAL)
    outside = remote_path(f"{at}/a.png", tmp_path / "elsewhere")
    for path in (outside, tmp_path / "images" / ".." / outside.relative_to(tmp_path)):
        with pytest.raises(ImageError, match="outside the image folder"):
            loader(path)
    assert host.paths == []


@pytest.mark.parametrize("remote", [None, RemoteImages(["s3"])])
@pytest.mark.parametrize(
    "name", ["https://a.example/b.jpg", "file:///etc/passwd", "zip://x::s3://b/a.zip", "s3://a::b"]
)
def test_an_address_that_is_not_allowed_is_an_error_of_its_line(tmp_path, remote, name):
    (tmp_path / "posts.jsonl").write_text(json.dumps({"text": "Oslo", "image": name}) + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match="a link"):
        read_posts(tmp_path / "posts.jsonl", images=tmp_path, remote=remote)
    with pytest.raises(FormatError, match="a link"):  # there is no folder to keep it in
        list(iter_posts(tmp_path / "posts.jsonl", remote=RemoteImages(["s3", "https"])))


def test_storages_of_fsspec(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/a.png", png())
    memory.pipe("/bucket/large.png", bytes(2000))
    remote = RemoteImages(["memory"], max_bytes=1000, max_seconds=10)
    path = remote_path("memory://bucket/a.png", tmp_path)
    assert ImageLoader((tmp_path,), remote=remote)(path).size == (20, 10)
    assert path.read_bytes() == png()
    for name, said in (("large", "more than 1,000 bytes"), ("none", "cannot be fetched")):
        with pytest.raises(ImageError, match=f"memory://bucket/{name}.png: .*{said}"):
            remote.fetch(f"memory://bucket/{name}.png")
    with pytest.raises(ImageError, match="not allowed; fetched are images of https"):
        RemoteImages().fetch("memory://bucket/a.png")


def test_addresses_in_what_is_written_and_read(tmp_path):
    url = "memory://bucket/a.png"
    post = Post("1", ("Oslo",), image=remote_path(url, tmp_path))
    written = post_to_dict(post)
    assert written["image"] == url
    assert post_from_dict(written).image == remote_path(url, Path())
    assert post_to_dict(post_from_dict(written)) == written
    lines, _ = context_lines([post], [Reply("a red field")], "caption", tmp_path)
    assert lines == [{"id": "1", "image_id": url, "caption": "a red field"}]
    (tmp_path / "captions.jsonl").write_text(json.dumps({**lines[0], "id": "other"}) + "\n", encoding="utf-8")
    (attached,), missing = attach_contexts([post], "caption", read_contexts(tmp_path / "captions.jsonl"), tmp_path)
    assert (attached.contexts, missing) == ({"caption": "a red field"}, 0)


def test_the_files_of_a_split_have_the_addresses(tmp_path):
    urls = [f"memory://bucket/{name}.png" for name in ("ü 1", "b", "c")]
    records = [{"id": url, "tokens": [url], "tags": ["O"], "images": [url, f"{url}#2"]} for url in urls]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    images = ["--images", str(tmp_path / "images"), "--remote_images.protocols", "[memory]"]
    split.run(["split", str(tmp_path / "posts.jsonl"), "--output", str(tmp_path / "parts"), *images])
    lines = [file.read_text(encoding="utf-8") for file in (tmp_path / "parts").iterdir()]
    assert sorted(json.loads(line)["images"] for line in lines) == sorted(record["images"] for record in records)
    assert not (tmp_path / "images").exists()


def test_check_data_fetches_what_is_allowed(tmp_path, capsys):
    fsspec.filesystem("memory").pipe("/bucket/b.png", png("blue"))
    names = ["memory://bucket/b.png", "memory://bucket/lost.png"]
    (tmp_path / "images").mkdir()
    posts = "".join(json.dumps({"tokens": ["Oslo"], "tags": ["B-LOC"], "image": name}) + "\n" for name in names)
    (tmp_path / "posts.jsonl").write_text(posts, encoding="utf-8")
    command = ["check-data", str(tmp_path / "posts.jsonl"), "--images", str(tmp_path / "images"), "--json"]
    check_data.run([*command, "--remote_images.protocols", "[memory]"])
    found = json.loads(capsys.readouterr().out)["splits"]["train"]["images"]
    assert (found["named"], found["missing"], [*found["small"]]) == (2, [], [names[0]])
    assert [*found["unreadable"]] == [names[1]]
    assert "cannot be fetched" in found["unreadable"][names[1]]
    with pytest.raises(FormatError, match="a link"):
        check_data.run(command)


@pytest.mark.parametrize("command", ["tag", "attend", "check-data", "describe", "prompt", "review", "split"])
def test_commands_that_open_images_of_posts_have_the_option(command):
    assert "--remote_images.protocols" in help_text(command)


@pytest.mark.parametrize(
    "options",
    [{"protocols": ["file"]}, {"protocols": []}, {"protocols": ["a::b"]}, {"max_bytes": 0}, {"max_seconds": 0}],
)
def test_options_out_of_range(options):
    with pytest.raises(ConfigurationError, match="expected"):
        RemoteImages(**options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"key": "AKIA0"}, "key"),
        ({"anon": False, "client_kwargs": {"aws_secret_access_key": "S3CR3T"}}, "client_kwargs.aws_secret_access_key"),
        ({"token": "ya29.S3CR3T"}, "token"),
        ({"connection_string": "AccountKey=S3CR3T"}, "connection_string"),
        ({"account_key": "S3CR3T"}, "account_key"),
        ({"sas_token": "S3CR3T"}, "sas_token"),
        ({"username": "me", "password": "S3CR3T"}, "password"),
    ],
)
def test_credentials_are_no_options_since_configs_contain_those(options, name):
    with pytest.raises(ConfigurationError, match=rf"storage_options\.x\.{name} is a credential") as raised:
        RemoteImages(storage_options={"x": options})
    assert "S3CR3T" not in str(raised.value)


def test_other_options_of_storages():
    for each in ({"anon": True}, {"profile": "me", "endpoint_url": "http://a"}, {"token": "anon", "project": "a"}):
        RemoteImages(storage_options={"x": each})


def test_images_within_data(tmp_path):
    encoded = base64.b64encode(png() * 3).decode()
    values = [encoded, f"data:image/png;base64,{encoded}", {"path": "a/b.png", "bytes": encoded}]
    records = [{"text": "Oslo", "image": value} for value in values]
    records.append({"text": "Oslo", "images": [values[0], "33.jpg", f"data:image/png;base64,{encoded[:-8]}"]})
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    posts = read_posts(tmp_path / "posts.jsonl", images=tmp_path / "images")
    assert [len(post.images) for post in posts] == [1, 1, 1, 3]
    assert posts[0].image == posts[1].image == posts[3].image
    assert posts[0].image.read_bytes() == posts[2].image.read_bytes() == png() * 3
    assert [posts[2].image.name, posts[3].images[1].name] == ["b.png", "33.jpg"]
    with pytest.warns(UserWarning, match="images within the data are left out"):
        assert read_posts(tmp_path / "posts.jsonl")[0] == Post(**{**_fields(posts[0]), "image": None})
    (tmp_path / "bad.jsonl").write_text(json.dumps({"text": "a", "image": "data:image/png;base64,a"}), encoding="utf-8")
    with pytest.raises(FormatError, match="in base64 that cannot be decoded"):
        read_posts(tmp_path / "bad.jsonl", images=tmp_path)


def _image(kind: str) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((20, 10), 90).convert("RGB").save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_every_notation_of_base64(tmp_path, kind):
    content = _image(kind)
    plain = base64.b64encode(content).decode()
    lines = base64.encodebytes(content).decode()
    safe = base64.urlsafe_b64encode(content).decode().rstrip("=")
    urls = [f"data:;base64,{safe}", f"data:application/octet-stream;base64,{lines}"]
    escaped = f"data:image/x;name=a.x;base64,{quote(plain, safe='')}"
    records = [{"text": "a", "image": each} for each in (plain, lines, safe, plain.rstrip("="), *urls, escaped)]
    posts = read_posts(pd.DataFrame([*records, {"text": "a", "image": bytearray(content)}]), images=tmp_path)
    assert [post.image.read_bytes() for post in posts] == [content] * 8


PIXELS = np.arange(20 * 10 * 3, dtype=np.uint8).reshape(10, 20, 3)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (PIXELS, PIXELS),
        (torch.from_numpy(PIXELS), PIXELS),
        (PIXELS[..., 0], PIXELS[..., [0, 0, 0]]),
        (PIXELS[..., :1], PIXELS[..., [0, 0, 0]]),
        (np.dstack([PIXELS, np.full((10, 20), 255, np.uint8)]), PIXELS),
        (np.dstack([PIXELS, np.zeros((10, 20), np.uint8)]), np.full_like(PIXELS, 255)),  # transparent on white
    ],
    ids=["RGB", "tensor", "grey", "one channel", "RGBA", "transparent"],
)
def test_arrays_are_images(tmp_path, array, expected):
    (post,) = read_posts(pd.DataFrame([{"text": "a", "image": array}]), images=tmp_path)
    np.testing.assert_array_equal(np.asarray(load_image(post.image)), expected)


@pytest.mark.parametrize("array", [PIXELS / 255, PIXELS.transpose(2, 0, 1), PIXELS[None], PIXELS.astype(np.uint16)])
def test_other_arrays_say_what_was_expected(tmp_path, array):
    with pytest.raises(FormatError, match=r"row 1: .*where one of shape \(height, width, 3\) and type uint8 was expec"):
        read_posts(pd.DataFrame([{"text": "a", "image": array}]), images=tmp_path)


def test_lists_of_images_as_pandas_reads_them(tmp_path):
    images = np.array([{"bytes": png(), "path": "a.png"}, {"bytes": png("blue"), "path": None}], dtype=object)
    (post,) = read_posts(pd.DataFrame({"text": ["a"], "images": [images]}), images=tmp_path)
    assert [each.read_bytes() for each in post.images] == [png(), png("blue")]
    (post,) = read_posts(pd.DataFrame({"text": ["a"], "image": [np.array(["b.png", "a.png"])]}), images=tmp_path)
    assert [each.name for each in post.images] == ["b.png", "a.png"]


def _fields(post: Post) -> dict[str, object]:
    return {name: getattr(post, name) for name in Post.__dataclass_fields__}
