"""Images: encoders that turn them into regions, the policy on files, the feature store."""

from mner.images import ImageLoader, load_image
from mner.vision.detected_crops import DetectedCrops
from mner.vision.encoder import ImageEncoder
from mner.vision.faster_rcnn import FasterRCNN
from mner.vision.feature_store import FeatureStore
from mner.vision.grid import Grid
from mner.vision.precomputed_regions import PrecomputedRegions, use_region_file
from mner.vision.pyramid_grid import PyramidGrid
from mner.vision.registry import create_image_encoder, list_image_encoders, register
from mner.vision.transform import ImageTransform

__all__ = [
    "DetectedCrops",
    "FasterRCNN",
    "FeatureStore",
    "Grid",
    "ImageEncoder",
    "ImageLoader",
    "ImageTransform",
    "PrecomputedRegions",
    "PyramidGrid",
    "create_image_encoder",
    "list_image_encoders",
    "load_image",
    "register",
    "use_region_file",
]
