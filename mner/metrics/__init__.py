"""Metrics over entities."""
