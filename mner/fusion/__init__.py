"""Fusion modules: text and image in, emissions out."""
