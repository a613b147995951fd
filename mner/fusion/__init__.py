"""Fusion methods: text and image features in, emissions out."""

from mner.fusion.base import FusionModule
from mner.fusion.co_attention import CoAttention
from mner.fusion.concatenation import Concatenation
from mner.fusion.graph_fusion import GraphFusion
from mner.fusion.late_fusion import LateFusion
from mner.fusion.matching_alignment import MatchingAlignment
from mner.fusion.modality_attention import ModalityAttention
from mner.fusion.multidimensional_attention import MultidimensionalAttention
from mner.fusion.relation_gate import RelationGate
from mner.fusion.text_only import TextOnly
from mner.fusion.transformer_attention import TransformerAttention
from mner.fusion.umt import UMT
from mner.fusion.visual_attention import VisualAttention
from mner.fusion.visual_prefix import VisualPrefix

__all__ = [
    "UMT",
    "CoAttention",
    "Concatenation",
    "FusionModule",
    "GraphFusion",
    "LateFusion",
    "MatchingAlignment",
    "ModalityAttention",
    "MultidimensionalAttention",
    "RelationGate",
    "TextOnly",
    "TransformerAttention",
    "VisualAttention",
    "VisualPrefix",
]
