"""Reading what the camera took: folders of pictures, single pictures, dash-cam videos."""

from pipelines.frames.selection import select_by_distance
from pipelines.frames.source import FrameSource, open_frames
from pipelines.frames.types import BadFrame, Frame, Picture

__all__ = ["BadFrame", "Frame", "FrameSource", "Picture", "open_frames", "select_by_distance"]
