"""Metrics over entities."""

from mner.metrics.entity_f1 import EntityF1

__all__ = ["EntityF1"]
