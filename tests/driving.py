"""A short piece of the sample drive, rendered once, for the tests that look at it in several ways."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
from click.testing import CliRunner
from filming import Film, grey, write_film

from geo.crs import plane_crs
from geo.track import Trajectory, read_fixes, smooth
from pipelines.cli.road import road
from pipelines.sample.journey import SAMPLE_CAMERA, sample_journey, true_frames
from pipelines.sample.render import Renderer
from pipelines.sample.scene import build_scene
from pipelines.sample.town import sample_town
from pipelines.sample.write import SampleParams, jpeg, shot_of, write_sample

SEED, N_OF_DRIVE = 7, 220
PART = slice(14, 25)
"""Frames of the drive on end, 4 m apart along a straight, a few more than the calibration asks for."""

LEAD_S = 0.5
"""The film begins at least this long before its first frame, in the middle of the second that its header states."""

CAMERA = {"height_m": SAMPLE_CAMERA.height_m, "hfov_deg": SAMPLE_CAMERA.hfov_deg}


@dataclass(frozen=True)
class Drive:
    """A part of the sample drive: its folder with track and roads, its pictures and their true times."""

    folder: Path
    pictures: list[np.ndarray]
    t_s: np.ndarray

    @property
    def begun_s(self) -> float:
        return float(np.floor(self.t_s[0] - LEAD_S)) + 0.5

    def film(self, path: Path, film: Film) -> Path:
        """The drive as a video: a black frame at once, then each picture when it was taken, so at uneven times."""
        pictures = [np.rot90(picture, 2) if film.turn_deg else picture for picture in self.pictures]
        black = np.zeros_like(self.pictures[0])
        return write_film(path, [black, *pictures], [0.0, *(self.t_s - self.begun_s)], film)

    def blank(self, path: Path, film: Film) -> Path:
        """A film of the same times that shows nothing."""
        return write_film(path, grey(1 + len(self.t_s)), [0.0, *(self.t_s - self.begun_s)], film)

    def track(self) -> Trajectory:
        fixes = read_fixes(self.folder / "track.gpx")
        return smooth(fixes, plane_crs(fixes.lon[0], fixes.lat[0]))


def render_drive(folder: Path) -> Drive:
    """Render the piece of the drive, with track, roads and manifest, into a folder."""
    write_sample(folder, SampleParams(seed=SEED, frames=2))
    for path in (folder / "frames").iterdir():
        path.unlink()
    town = sample_town()
    frames = true_frames(sample_journey(town, SEED), SAMPLE_CAMERA, N_OF_DRIVE, SEED)[PART]
    renderer = Renderer(build_scene(town, SEED), SEED)
    pictures = [renderer.frame(frame.view, shot_of(frame, SEED)) for frame in frames]
    for frame, picture in zip(frames, pictures, strict=True):
        (folder / "frames" / frame.name).write_bytes(jpeg(picture, frame.t_s))
    # Closer than the frames are apart, so that the film's and the pictures' lie at the same places.
    (folder / "params.yaml").write_text("road: {drive: {spacing_m: 2.0}}")
    return Drive(folder, pictures, np.array([frame.t_s for frame in frames]))


def listed(drive: Drive, out: Path, *arguments: object) -> gpd.GeoDataFrame:
    """The defects that `michisora road` finds."""
    line = [*arguments, "--params", drive.folder / "params.yaml", "--out", out, "--lang", "en"]
    done = CliRunner().invoke(road, list(map(str, line)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return gpd.read_file(out / "road.gpkg", layer="defects")
