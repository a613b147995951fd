"""Multimodal named entity recognition: posts and their images in, typed entities out."""

__version__ = "0.1.0"
