"""Analyses of saved predictions, without a model."""
