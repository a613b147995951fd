"""Decoders: emissions in, tags out."""
