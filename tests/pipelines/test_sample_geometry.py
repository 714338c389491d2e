"""The sample is the truth that positions are measured against; here the camera's part of it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from shapely.geometry import Polygon

from geo.camera.calibrate import calibrate
from geo.camera.locate import CameraErrors, locate
from geo.crs import grid_convergence_deg, require_crs, to_lonlat
from geo.track.fixes import Fixes
from geo.track.smooth import smooth
from pipelines.sample.damage import Damage
from pipelines.sample.decals import Decal
from pipelines.sample.journey import SAMPLE_CAMERA, receiver_fixes, sample_journey, true_frames
from pipelines.sample.render import Renderer, Shot
from pipelines.sample.scene import build_scene
from pipelines.sample.town import EPSG, sample_town
from pipelines.sample.truth import visible_boxes
from pipelines.sample.view import View
from pipelines.sample.write import SampleParams, shot_of

SEED = SampleParams().seed


@dataclass
class TruePoses:
    x_m: np.ndarray
    y_m: np.ndarray
    heading_deg: np.ndarray
    sd_m: np.ndarray
    heading_sd_deg: np.ndarray
    valid: np.ndarray

    @classmethod
    def of(cls, views: list[View]) -> "TruePoses":
        zero, x, y = np.zeros(len(views)), *np.array([[v.east_m, v.north_m] for v in views]).T
        return cls(x, y, np.degrees([v.heading_rad for v in views]), zero, zero, np.ones(len(views), bool))


@pytest.fixture(scope="module")
def drawn():
    town = sample_town()
    scene = build_scene(town, SEED)
    frames = true_frames(sample_journey(town, SEED), SAMPLE_CAMERA, SampleParams().frames, SEED)
    return Renderer(scene, SEED), frames


@pytest.fixture(scope="module")
def calibrated(drawn):
    renderer, frames = drawn
    pictures = (renderer.frame(f.view, shot_of(f, SEED)) for f in frames[::8])
    return calibrate(pictures, SAMPLE_CAMERA.pointed(0.0, 0.0))


def test_lane_lines_point_the_camera_within_three_tenths_of_a_degree(calibrated):
    assert calibrated.source == "lane lines"
    assert calibrated.camera.pitch_deg == pytest.approx(SAMPLE_CAMERA.pitch_deg, abs=0.3)
    assert calibrated.camera.yaw_deg == pytest.approx(SAMPLE_CAMERA.yaw_deg, abs=0.3)


@pytest.fixture(scope="module")
def sightings(drawn):
    """Every whole damage in every frame: its view, its true middle on the map, and its box as a detector draws it."""
    renderer, frames = drawn
    rng = np.random.default_rng(11)
    seen = [(f, b) for f in frames for b in visible_boxes(f.view, renderer.scene.damages) if b.visible > 0.99]
    near = [(f, b) for f, b in seen if b.forward_m <= 20]
    boxes = np.array([b.xyxy_px for _, b in near]) + rng.normal(0, 1.5, (len(near), 4))
    truth = np.array([b.damage.outline.envelope.centroid.coords[0] for _, b in near])
    return [f for f, _ in near], boxes, truth


def located(calibrated, poses, boxes):
    """The middle of each box on the road, and the 68 % radius stated for it."""
    errors = CameraErrors().with_calibration(calibrated.pitch_sd_deg, calibrated.yaw_sd_deg)
    middle_x = (boxes[:, 0] + boxes[:, 2]) / 2
    far, near = (locate(calibrated.camera, poses, np.column_stack([middle_x, boxes[:, k]]), errors) for k in (1, 3))
    return (far.xy_m + near.xy_m) / 2, 1.515 * np.sqrt((far.sd_m**2 + near.sd_m**2) / 2)


def test_damage_within_twenty_metres_is_located_within_a_metre(sightings, calibrated):
    frames, boxes, truth = sightings
    found, radius = located(calibrated, TruePoses.of([f.view for f in frames]), boxes)
    error = np.hypot(*(found - truth).T)
    assert len(error) > 150
    assert np.median(error) <= 1.0
    assert np.percentile(error, 95) <= 2.5
    assert np.mean(error <= radius) >= 0.55, "the stated uncertainty must not be too small"


def test_on_the_receivers_track_no_more_than_its_own_error_is_added(sightings, calibrated):
    frames, boxes, truth = sightings
    crs = require_crs(f"EPSG:{EPSG}")
    fixes = receiver_fixes(sample_journey(sample_town(), SEED), SEED)
    lon, lat = to_lonlat(crs, *fixes.xy_m.T)
    bearing = (fixes.heading_deg + grid_convergence_deg(crs, lon, lat)) % 360
    track = smooth(Fixes.of(fixes.t_s, lon, lat, speed_mps=fixes.speed_mps, bearing_deg=bearing), crs)
    poses = track.at(np.array([f.t_s for f in frames]))
    own = np.hypot(*(np.column_stack([poses.x_m, poses.y_m]) - [[f.view.east_m, f.view.north_m] for f in frames]).T)
    on_true, _ = located(calibrated, TruePoses.of([f.view for f in frames]), boxes)
    on_track, _ = located(calibrated, poses, boxes)
    camera, error = (np.hypot(*(found - truth).T) for found in (on_true, on_track))
    assert np.median(error) <= np.median(own) + np.median(camera)
    assert np.percentile(error, 95) <= np.percentile(own, 95) + np.percentile(camera, 95)


@pytest.mark.parametrize("ahead_m", [5.0, 9.0, 15.0])
def test_what_lies_on_the_road_is_drawn_where_the_camera_projects_it(drawn, ahead_m):
    """A white square fills its projected outline: half a pixel of shift or a turned picture would show."""
    renderer, frames = drawn
    view = frames[10].view
    east, north = view.on_map(np.array([[ahead_m, 0.7]]))[0]
    solid = Decal((east, north), view.heading_rad + 0.1, np.full((240, 300, 4), 255, np.uint8))
    square = Damage("square", "D40", 0.0, 0.0, solid.footprint, solid)
    bare, marked = (Renderer(replace(renderer.scene, damages=d), SEED) for d in ([], [square]))
    quiet = Shot(0, blur_px=0, noise=0)
    before, after = (r.frame(view, quiet).astype(float).mean(axis=2) for r in (bare, marked))
    white = np.percentile(after[after - before > 80], 20)  # the darkest white: the lens is dimmer towards its edge
    covered = np.clip((after - before) / (white - before), 0, 1)
    covered[covered < 0.1] = 0
    projected = Polygon(view.camera.to_image(view.ahead_m(np.array(solid.footprint.exterior.coords))))
    ys, xs = np.nonzero(covered)
    weight = covered[ys, xs]
    middle = ((xs + 0.5) @ weight / weight.sum(), (ys + 0.5) @ weight / weight.sum())
    assert middle == pytest.approx(projected.centroid.coords[0], abs=0.25)
    assert weight.sum() == pytest.approx(projected.area, rel=0.06)


def test_both_passes_of_the_first_street_show_the_same_damage(drawn):
    renderer, frames = drawn
    lap = renderer.scene.town.loop.length_m
    first, second = (
        {b.damage.key for f in frames if low < f.s_m < high for b in visible_boxes(f.view, renderer.scene.damages)}
        for low, high in [(0, 165), (lap, lap + 165)]
    )
    assert len(first & second) >= 0.8 * len(first) > 5


def test_some_potholes_are_close_neighbours_and_side_by_side(drawn):
    potholes = [d for d in drawn[0].scene.damages if d.class_ == "D40"]
    near = [(a, b) for k, a in enumerate(potholes) for b in potholes[k + 1 :] if abs(a.s_m - b.s_m) < 8.5]
    assert sum(abs(a.s_m - b.s_m) >= 4 for a, b in near) >= 3
    assert sum(abs(a.s_m - b.s_m) < 1 and abs(a.right_m - b.right_m) > 3 for a, b in near) >= 2
