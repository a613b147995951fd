"""Grounded entities: the region of the image that shows an entity."""

from mner.grounding.region_pointer import RegionPointer

__all__ = ["RegionPointer"]
