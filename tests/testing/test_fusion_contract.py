"""Every fusion keeps the contract, and the contract catches those that do not."""

import mner.fusion
from mner.fusion import CoAttention, Concatenation, FusionModule, LateFusion, TextOnly, VisualAttention
from mner.testing import FusionContract


class TestTextOnly(FusionContract):
    fusion = TextOnly


class TestConcatenation(FusionContract):
    fusion = Concatenation


class TestVisualAttention(FusionContract):
    fusion = VisualAttention


class TestCoAttention(FusionContract):
    fusion = CoAttention


class TestLateFusion(FusionContract):
    fusion = LateFusion
