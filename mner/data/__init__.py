"""Reading, writing, checking and batching posts."""

from mner.data.datamodule import PostDataModule
from mner.data.post_files import PostFiles
from mner.data.readers import iter_posts, read_posts
from mner.data.snapchat import Snapchat
from mner.data.twitter2015 import Twitter2015
from mner.data.twitter2017 import Twitter2017
from mner.data.twitter10000 import Twitter10000

__all__ = [
    "PostDataModule",
    "PostFiles",
    "Snapchat",
    "Twitter2015",
    "Twitter2017",
    "Twitter10000",
    "iter_posts",
    "read_posts",
]
