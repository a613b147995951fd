"""An HTTP service that tags posts: FastAPI, dynamic batching, limits on everything that a client sends."""
