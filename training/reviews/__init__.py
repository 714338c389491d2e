"""People's corrections as training data: what they said, where, and a data set made of it."""
