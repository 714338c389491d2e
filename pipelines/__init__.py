"""The jobs: from a survey to what people act on."""
