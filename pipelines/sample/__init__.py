"""The rendered sample survey, whose every defect has a known place."""
