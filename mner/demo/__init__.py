"""The demo data set: generated posts in which only the picture disambiguates half of the mentions."""

from mner.demo.ceiling import TextOnlyCeiling, text_only_ceiling
from mner.demo.demo_posts import DemoPosts
from mner.demo.generate import generate_demo_posts

__all__ = ["DemoPosts", "TextOnlyCeiling", "generate_demo_posts", "text_only_ceiling"]
