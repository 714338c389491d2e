"""The HTTP service. It comes after the road job; nothing is in it yet."""
