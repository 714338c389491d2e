"""Tracks: recorded fixes read, cleaned, smoothed and asked for poses."""

from geo.track.fixes import Fixes, ReadCounts
from geo.track.poses import Poses
from geo.track.smooth import SmoothParams, smooth
from geo.track.trajectory import Trajectory

__all__ = ["Fixes", "Poses", "ReadCounts", "SmoothParams", "Trajectory", "smooth"]
