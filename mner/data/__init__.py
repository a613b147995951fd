"""Reading, writing, checking and batching posts."""
