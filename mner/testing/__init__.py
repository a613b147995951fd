"""Contract tests that every part must pass, also users' own classes, and the tiny parts they run on."""

from mner.testing.fusion_contract import FusionContract
from mner.testing.parts import TinyGrid, TinyRegions, tiny_text_encoder

__all__ = ["FusionContract", "TinyGrid", "TinyRegions", "tiny_text_encoder"]
