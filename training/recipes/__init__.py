"""Recipes that come with the project, one file a model."""
