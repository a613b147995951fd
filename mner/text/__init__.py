"""Text encoders: words in, word vectors out."""
