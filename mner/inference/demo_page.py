"""A page in the browser for trying models: type a post, drop an image, see the entities and what they attend to."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from mner.display.render import render
from mner.errors import ConfigurationError, DataError, MNERError
from mner.extras import extra
from mner.images import load_image
from mner.inference.new_posts import make_post
from mner.inference.tagger import Tagger
from mner.posts import Post

if TYPE_CHECKING:
    import gradio

MAX_CHARACTERS = 5_000
"""Longest post, and longest context, that the page accepts."""
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
"""Of the visitor's own machine: the theme's own fonts would be loaded from elsewhere."""
FOCUS = {"input_shadow_focus": "0 0 0 2px *primary_500", "input_shadow_focus_dark": "0 0 0 2px *primary_500"}
"""A visible focus, which the theme does not have."""
ANNOUNCED = "() => document.querySelectorAll('.entities .prose').forEach(shown => shown.role = 'status')"
"""Lets screen readers read out the entities when they change."""


def demo_page(taggers: Mapping[str, Tagger], examples: Sequence[Post] = ()) -> gradio.Blocks:
    """Build the page; ``launch`` serves it.

    Args:
        taggers: The models by name, one of them or several to compare.
        examples: Posts to choose from; those with contexts that no model reads lose them.

    Raises:
        ConfigurationError: If gradio is not installed, or there is no model.
    """
    with extra("demo", "the demo page"):
        import gradio
    if not taggers:
        raise ConfigurationError("expected at least one model to try, got none")
    kinds = list(dict.fromkeys(kind for tagger in taggers.values() for kind in tagger.preprocessor.contexts))
    sees = any(tagger.model.image_encoder is not None for tagger in taggers.values())
    with gradio.Blocks(title="mner", analytics_enabled=False) as page:
        gradio.Markdown("# mner\nFind the named entities of a post and its image.")
        with gradio.Row():
            with gradio.Column():
                text = gradio.Textbox(  # a field of several lines would not be submitted by Enter
                    label="Post", lines=1, max_lines=6, autofocus=True, elem_id="post"
                )
                contexts = [gradio.Textbox(label=kind.capitalize(), lines=2) for kind in kinds]
                button = gradio.Button("Find entities", variant="primary", elem_id="find")
            image = gradio.Image(
                label="Image" if sees else "Image (no model here sees it)", type="filepath", height=260, elem_id="image"
            )
            image.preprocess = _unopened(image.preprocess)
        with gradio.Row():
            shown = [_result(gradio, name) for name in taggers]
        inputs = [text, image, *contexts]
        outputs = [part for parts in shown for part in parts]

        def find(text: str, image: str | None, *given: str) -> list[Any]:
            try:
                if image and sees:
                    load_image(image)  # tagging would go on without it
                named = dict(zip(kinds, given, strict=True))
                return [part for tagger in taggers.values() for part in _found(tagger, text, image, named)]
            except MNERError as error:
                message = str(error).replace(str(image), Path(image or "").name)  # no path of this machine
                raise gradio.Error(message, print_exception=False) from error

        gradio.on([button.click, text.submit], find, inputs, outputs, api_name="find")
        page.load(js=ANNOUNCED)
        if examples:
            rows = [[_text(post), _image(post), *(post.contexts.get(kind, "") for kind in kinds)] for post in examples]
            gradio.Examples(rows, inputs, label="Examples")
    return page


def launch(page: gradio.Blocks, host: str, port: int, images: Sequence[str] = (), block: bool = True) -> Any:
    """Serve the page; only the pages' own files and the named images can be read through it.

    Args:
        page: What :func:`demo_page` built.
        host: The address to listen at.
        port: The port.
        images: Files of the examples.
        block: Whether to wait until the server is stopped.
    """
    import gradio

    return page.launch(
        server_name=host,
        server_port=port,
        theme=gradio.themes.Soft(**FONTS).set(**FOCUS),
        allowed_paths=list(images),
        max_file_size="20mb",
        share=False,
        quiet=True,
        prevent_thread_lock=not block,
        footer_links=["settings"],
    )


def _unopened(open_file: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an uploaded file as it is: the tagger's limits apply to it, and its errors say what is wrong."""
    return lambda file: file.path if file is not None and file.path else open_file(file)


def _result(gradio: Any, name: str) -> list[Any]:
    with gradio.Column(min_width=320):
        gradio.HTML(f'<h2 style="font-size: 1.2rem; overflow-wrap: anywhere">{escape(name)}</h2>')
        return [
            gradio.HTML(elem_classes="entities"),
            gradio.Image(
                show_label=False, format="png", visible=False, interactive=False, buttons=["fullscreen", "download"]
            ),
        ]


def _found(tagger: Tagger, text: str, image: str | None, contexts: Mapping[str, str]) -> list[Any]:
    """The entities as HTML, and the figure of the attention, hidden where there is none."""
    import gradio

    if not text.strip():
        raise DataError("type a post first")
    longest = max(map(len, [text, *contexts.values()]))
    if longest > MAX_CHARACTERS:
        raise DataError(f"expected at most {MAX_CHARACTERS:,} characters in a field, got {longest:,}")
    read = {kind: contexts[kind] for kind in tagger.preprocessor.contexts if contexts.get(kind)}
    seen = image if tagger.model.image_encoder is not None else None
    entities = tagger.predict(text, seen, read)
    figure = _attention(tagger, text, seen, read) if entities and seen is not None else None
    shown = render(entities, title="", images=False).fragment
    return [shown, gradio.update(value=figure, visible=figure is not None)]


def _attention(tagger: Tagger, text: str, image: str, contexts: Mapping[str, str]) -> Image.Image | None:
    """Draw what the entities attend to; ``None`` for a method that neither attends nor has gates."""
    from mner.inference.post_attention import attend

    try:
        figure = attend(tagger.model, make_post(text, image, contexts)).draw("entities", title=False)
    except ConfigurationError:
        return None
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return Image.open(drawn)


def _text(post: Post) -> str:
    return " ".join(post.words) if post.text is None else post.text


def _image(post: Post) -> str | None:
    return None if post.image is None else str(post.image)
