"""Tagging new posts with a trained model."""
