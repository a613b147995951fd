"""The data modules together: importing one of them from here makes all of them choices of ``--data``."""

from mner.data.datamodule import PostDataModule
from mner.data.post_files import PostFiles
from mner.data.snapchat import Snapchat
from mner.data.twitter2015 import Twitter2015
from mner.data.twitter2017 import Twitter2017
from mner.data.twitter10000 import Twitter10000

__all__ = ["PostDataModule", "PostFiles", "Snapchat", "Twitter2015", "Twitter2017", "Twitter10000"]
