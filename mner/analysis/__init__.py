"""Analyses of saved predictions; no model needed."""
