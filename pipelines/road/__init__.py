"""The road job: observations, defects, sections, and how they are judged."""
