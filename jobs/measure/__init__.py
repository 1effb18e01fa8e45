"""Measure the quality and the features of cells and tiles."""
