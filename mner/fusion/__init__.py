"""Fusion modules: text and image in, emissions out."""

from mner.fusion.base import FusionModule
from mner.fusion.text_only import TextOnly

__all__ = ["FusionModule", "TextOnly"]
