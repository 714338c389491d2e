"""From cleaned fixes to a trajectory: Kalman smoothing in the plane, robust, the noise estimated from the fixes."""

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from pyproj import CRS

from geo.crs import require_metric
from geo.errors import TrackError
from geo.track.fixes import Fixes
from geo.track.measure import Noise, PlaneFixes, directions
from geo.track.noise import Kinematics, fit
from geo.track.poses import Array
from geo.track.states import SmoothedStates
from geo.track.trajectory import Trajectory

_LASTING_S = 60.0
"""An error that outlasts what smoothing sees lasts minutes; one fix that its receiver doubts is doubted alone."""
_LONGEST_ONWARD_S = 5.0
"""After so long a vehicle is known to 8 to 12 m per axis, as is stated; beyond that its going straight is a guess."""


class SmoothParams(BaseModel):
    """How a track is smoothed.

    The defaults are physics, not a fit: a road vehicle brakes and corners with 1 to 3 m/s² for a few seconds. How well
    the receiver measures is estimated from its fixes (see `noise`), but for `shared_sd_m`: an error that a whole drive
    shares (satellite orbits, ionosphere, a delayed clock) leaves no trace in the fixes. Good single-frequency receivers
    stay within 1.9 m in 95 % (0.8 m per axis), and data sheets promise 1.5 m CEP (1.3 m per axis): 1 m lies between.
    A receiver that states for a minute that it knows its place less well than its fixes show is believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_s: float = Field(
        default=0.0, description="by how much fixes are stamped late, s (0 for UTC from the receiver)"
    )
    latency_sd_s: float = Field(
        default=0.0, ge=0, description="how well the two clocks agree, s; it counts along the road"
    )
    accel_sd_mps2: float = Field(default=1.0, gt=0)
    accel_tau_s: float = Field(default=4.0, gt=0)
    wander_tau_s: float = Field(default=15.0, gt=0, description="how long consecutive fixes share their error, s")
    shared_sd_m: float = Field(
        default=1.0, ge=0, description="error that all fixes share, m per axis, where the receiver states no more"
    )
    extrapolate_s: float = Field(
        default=1.0, ge=0, description="poses are valid this long beyond the ends, or until the next fix was due"
    )
    max_sd_m: float = Field(
        default=15.0, gt=0, description="poses known less well, m per axis, are not valid; a gap of 20 s is bridged"
    )


def smooth(fixes: Fixes, crs: CRS, params: SmoothParams | None = None) -> Trajectory:
    """The trajectory that cleaned fixes make probable, with its standard deviations.

    Args:
        fixes: cleaned fixes, two or more.
        crs: a plane CRS in metres (`geo.crs.plane_crs`).
        params: how; the defaults suit a road vehicle.

    Raises:
        TrackError: fewer than two fixes.
        CrsError: `crs` is not a plane in metres.
    """
    params = SmoothParams() if params is None else params
    require_metric(crs)
    if len(fixes) < 2:
        remedy = "A track needs two; look at the rejected fixes for why the others went"
        raise TrackError(f"only {len(fixes)} usable fix(es)", where=fixes.source or None, remedy=remedy)
    plane = PlaneFixes.of(fixes.shifted(-params.latency_s), crs)
    kinematics = Kinematics(params.accel_sd_mps2, params.accel_tau_s, params.wander_tau_s)
    found = fit(plane, directions(plane.t_s, plane.xy_m), kinematics)
    shared = _shared_sd_m(fixes, plane, found.noise, params.shared_sd_m)
    states = SmoothedStates(plane.t_s, found.motion, found.smoothed, plane.origin_m, shared)
    return Trajectory.of(
        crs,
        states,
        latency_sd_s=params.latency_sd_s,
        extrapolate_s=_onward_s(fixes, params.extrapolate_s),
        max_sd_m=params.max_sd_m,
    )


def _onward_s(fixes: Fixes, least_s: float) -> float:
    """How long a track goes on beyond its ends, s: until the next fix was due, for pictures since the last one."""
    return max(least_s, min(float(np.median(np.diff(fixes.t_s))), _LONGEST_ONWARD_S))


def _shared_sd_m(fixes: Fixes, plane: PlaneFixes, noise: Noise, least_m: float) -> Array:
    """The error that fixes share and do not show, m per axis (n,): what the receiver states beyond what was found."""
    hidden = fixes.sd_m**2 - (noise.white_m * plane.spread) ** 2 - noise.wander_m**2
    series = pd.Series(hidden, index=pd.to_timedelta(fixes.t_s - fixes.t_s[0], unit="s"))
    lasting = series.rolling(pd.Timedelta(seconds=_LASTING_S), center=True, min_periods=1).median()
    return np.asarray(np.sqrt(np.maximum(least_m**2, lasting.fillna(0.0).to_numpy(np.float64))), np.float64)
