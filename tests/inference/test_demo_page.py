"""The demo page: what it shows is what the tagger finds, also in a real browser."""

import html
import re
import shutil
import socket

import pytest
from PIL import Image

from mner.errors import ConfigurationError
from mner.fusion import CoAttention, TextOnly
from mner.inference.demo_page import demo_page, launch
from mner.inference.tagger import Tagger
from mner.posts import Post
from mner.testing import TinyGrid

TEXT = "Ana <b>sings</b> in Oslo"


@pytest.fixture(scope="module")
def taggers(make_model):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return {
        "text <only>": Tagger(make_model(TextOnly)),
        "co-attention": Tagger(make_model(CoAttention, image_encoder=TinyGrid())),
    }


@pytest.fixture
def red_image(tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    return tmp_path / "red.png"


@pytest.fixture
def address(taggers, red_image):
    pytest.importorskip("gradio")
    page = demo_page(taggers, [Post("1", ("Ana", "in", "Oslo"), image=red_image)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(page, "127.0.0.1", port, [str(red_image)], block=False)
    yield f"http://127.0.0.1:{port}/"
    page.close()


def words_of(fragment):
    """The text of a fragment, without its style sheet."""
    return " ".join(
        html.unescape(re.sub("<[^>]+>", " ", re.sub("<style>.*?</style>", "", fragment, flags=re.DOTALL))).split()
    )


def test_no_model_is_refused():
    pytest.importorskip("gradio")
    with pytest.raises(ConfigurationError, match="at least one model"):
        demo_page({})


@pytest.mark.slow
def test_the_page_shows_what_the_taggers_find(address, taggers, red_image):
    client = pytest.importorskip("gradio_client")
    found = client.Client(address, verbose=False).predict(TEXT, client.handle_file(red_image), api_name="/find")
    for fragment, tagger in zip(found[::2], taggers.values(), strict=True):
        entities = tagger.predict(TEXT, red_image if tagger.model.image_encoder else None)
        assert "<b>" not in fragment
        assert entities
        for entity in entities:
            assert f"{entity.text} {entity.type} {entity.confidence:.2f}" in words_of(fragment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("nothing here", b"no image", "red.png: not an image"),
        ("nothing here", b"\x89PNG\r\n\x1a\n" + b"x" * 500, "red.png: "),
        (" ", None, "type a post first"),
        ("a" * 5_001, None, "at most 5,000 characters in a field, got 5,001"),
    ],
    ids=["text", "broken", "empty", "long"],
)
def test_what_cannot_be_tagged_is_explained(address, red_image, text, content, message):
    client = pytest.importorskip("gradio_client")
    if content is not None:
        red_image.write_bytes(content)
    image = None if content is None else client.handle_file(red_image)
    with pytest.raises(Exception, match=message) as refused:
        client.Client(address, verbose=False).predict(text, image, api_name="/find")
    assert "gradio/" not in str(refused.value)  # no folder of the server


@pytest.mark.slow
def test_a_browser_finds_entities_with_the_keyboard_alone(address):
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        foreign = []
        page.on(
            "request",
            lambda request: (
                foreign.append(request.url) if not request.url.startswith((address, "data:", "blob:")) else None
            ),
        )
        page.goto(address)
        page.wait_for_selector("#post textarea")
        page.keyboard.type(TEXT)  # the field has the focus
        page.keyboard.press("Enter")
        page.wait_for_selector("mark", timeout=60_000)
        assert page.locator("h2", has_text="text <only>").count() == 1
        assert page.get_by_role("status").filter(has=page.locator("mark")).count() >= 1  # read out by screen readers
        assert not foreign
        browser.close()
