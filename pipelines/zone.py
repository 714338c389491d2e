"""Whose day it is: a drive before nine in the morning in Japan is yesterday's in UTC."""

import datetime as dt
from zoneinfo import ZoneInfo

from pyproj import CRS

from geo.crs import JAPAN_PLANE_ZONES
from pipelines.survey import Survey

__all__ = ["day_of", "zone_line", "zone_of"]

_JAPAN = "Asia/Tokyo"


def zone_of(survey: Survey, plane: CRS) -> dt.tzinfo:
    """The time zone that days are counted in: the stated one, Japan's for a track in Japan, else UTC.

    Args:
        survey: as stated.
        plane: the track's plane CRS, as from `geo.crs.plane_crs`: in Japan, which has one time zone, a Japanese one.
    """
    if survey.timezone:
        return ZoneInfo(survey.timezone)
    return ZoneInfo(_JAPAN) if plane.to_epsg() in JAPAN_PLANE_ZONES else dt.UTC


def day_of(t_s: float, zone: dt.tzinfo) -> dt.date:
    """The day of a moment, seconds since 1970-01-01 UTC, in a zone."""
    return dt.datetime.fromtimestamp(t_s, zone).date()


def zone_line(survey: Survey, zone: dt.tzinfo) -> str | None:
    """What to tell people of a zone that was assumed; None where they stated it."""
    if survey.timezone:
        return None
    why = "no timezone is stated" if zone is dt.UTC else "the track lies in Japan, and no timezone is stated"
    return f"days are counted in {zone}: {why} (--timezone, or timezone in survey.yaml)"
