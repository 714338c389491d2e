"""The road job from above: cracks in an orthophoto become the defects and sections that a drive gives."""
