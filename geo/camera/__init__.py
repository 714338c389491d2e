"""Cameras over a flat road: what they see, where it lies, and how they are pointed."""
