"""A page in the browser for trying models: type a post, drop an image, see the entities and what they attend to."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from PIL import Image

from mner.display.render import render
from mner.errors import ConfigurationError, MNERError
from mner.extras import extra
from mner.inference.new_posts import make_post
from mner.inference.tagger import Tagger
from mner.posts import Post

if TYPE_CHECKING:
    import gradio

MAX_CHARACTERS = 5_000
"""Longest post that the page accepts."""
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
"""Of the visitor's own machine: the theme's own fonts would be loaded from elsewhere."""


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
                    label="Post", lines=1, max_lines=6, max_length=MAX_CHARACTERS, autofocus=True, elem_id="post"
                )
                image = gradio.Image(
                    label="Image" if sees else "Image (no model here sees it)",
                    type="filepath",
                    height=260,
                    elem_id="image",
                )
                contexts = [gradio.Textbox(label=kind.capitalize(), lines=2) for kind in kinds]
                button = gradio.Button("Find entities", variant="primary", elem_id="find")
            with gradio.Column(scale=2), gradio.Row():
                shown = [_result(gradio, name, tagger) for name, tagger in taggers.items()]
        inputs = [text, image, *contexts]
        outputs = [part for parts in shown for part in parts]

        def find(text: str, image: str | None, *given: str) -> list[Any]:
            try:
                named = dict(zip(kinds, given, strict=True))
                return [part for tagger in taggers.values() for part in _found(tagger, text, image, named)]
            except MNERError as error:
                raise gradio.Error(str(error), print_exception=False) from error

        gradio.on([button.click, text.submit], find, inputs, outputs, api_name="find")
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
        theme=gradio.themes.Soft(**FONTS),
        allowed_paths=list(images),
        max_file_size="20mb",
        share=False,
        quiet=True,
        prevent_thread_lock=not block,
        footer_links=["settings"],
    )


def _result(gradio: Any, name: str, tagger: Tagger) -> list[Any]:
    with gradio.Column(min_width=320):
        gradio.HTML(f'<h3 style="overflow-wrap: anywhere">{escape(name)}</h3>')
        return [
            gradio.HTML(label="Entities"),
            gradio.Image(
                show_label=False, format="png", visible=False, interactive=False, buttons=["fullscreen", "download"]
            ),
        ]


def _found(tagger: Tagger, text: str, image: str | None, contexts: Mapping[str, str]) -> list[Any]:
    """The entities as HTML, and the figure of the attention, hidden where there is none."""
    import gradio

    if not text.strip():
        raise ConfigurationError("type a post first")
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
        figure = attend(tagger.model, make_post(text, image, contexts)).draw("entities")
    except ConfigurationError:
        return None
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    return Image.open(drawn)


def _text(post: Post) -> str:
    return " ".join(post.words) if post.text is None else post.text


def _image(post: Post) -> str | None:
    return None if post.image is None else str(post.image)
