"""Runs over many images: planned, carried out, interrupted."""
