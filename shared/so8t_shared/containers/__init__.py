"""The pipeline as containers, from any shell on any system: keys, images, start, stop."""
