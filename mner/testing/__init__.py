"""Contracts that every part must pass, for users' classes too."""
