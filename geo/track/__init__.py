"""Tracks: recorded fixes read, cleaned, smoothed and asked for poses."""

from geo.track.clean import CleanLimits, clean
from geo.track.exif import fixes_from_photos, photo_times
from geo.track.fixes import Fixes, ReadCounts
from geo.track.gopro import VideoClock, fixes_from_videos, read_gopro, video_clock
from geo.track.poses import Poses
from geo.track.read import read_fixes
from geo.track.smooth import SmoothParams, smooth
from geo.track.trajectory import Trajectory

__all__ = [
    "CleanLimits",
    "Fixes",
    "Poses",
    "ReadCounts",
    "SmoothParams",
    "Trajectory",
    "VideoClock",
    "clean",
    "fixes_from_photos",
    "fixes_from_videos",
    "photo_times",
    "read_fixes",
    "read_gopro",
    "smooth",
    "video_clock",
]
