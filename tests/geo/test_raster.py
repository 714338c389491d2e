"""Orthophotos as they come, and as they should not."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from foresting import plant, write_ortho
from pyproj import CRS
from rasterio._env import get_gdal_config
from rasterio.shutil import copy

from geo.errors import CrsError, RasterError
from geo.leftovers import part_of
from geo.raster import GDAL_OPTIONS, Grid, OrthoReader, Stated, open_heights, open_ortho, reading, tiled_copy
from geo.raster.files import state_of


@pytest.fixture(scope="module")
def picture():
    return plant(480, 320).picture


def _heights(path, values=1.0, **options):
    profile = {"driver": "GTiff", "width": 48, "height": 32, "count": 1, "dtype": "float32", "crs": "EPSG:6677"}
    profile |= {"transform": Affine(1, 0, -20_000, 0, -1, -30_000), **options}
    profile["dtype"] = getattr(values, "dtype", profile["dtype"])
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.broadcast_to(values, (profile["count"], 32, 48)).astype(profile["dtype"]))
    return path


def test_in_japan_it_is_measured_in_the_plane_zone_whatever_the_file_is_in(picture, tmp_path):
    degree = 0.1 / 111_000
    for name, crs, transform in (
        ("plane", "EPSG:6677", Affine(0.1, 0, -20_000, 0, -0.1, -30_000)),
        ("utm", "EPSG:32654", Affine(0.1, 0, 370_000, 0, -0.1, 3_950_000)),
        ("degrees", "EPSG:6668", Affine(degree * 1.23, 0, 139.6, 0, -degree, 35.73)),
        ("mercator", "EPSG:3857", Affine(0.123, 0, 15_540_000, 0, -0.123, 4_270_000)),
    ):
        path = write_ortho(tmp_path / f"{name}.tif", picture, crs=crs, transform=transform)
        ortho = open_ortho(path)
        assert ortho.plane.to_epsg() == 6677, name
        assert ortho.gsd_m == pytest.approx(0.1, rel=0.01), name
        assert "EPSG:6677" in ortho.lines[0]


def test_pixels_of_a_file_in_degrees_are_found_again_from_the_plane(picture, tmp_path):
    degree = 0.1 / 111_000
    transform = Affine(degree, 0, 139.6, 0, -degree, 35.73)
    grid = Grid(open_ortho(write_ortho(tmp_path / "deg.tif", picture, crs="EPSG:6668", transform=transform)), 0.1)
    places = np.array([[0.0, 0.0], [123.5, 7.25], [400.0, 300.0]])
    np.testing.assert_allclose(grid.to_pixels(grid.to_plane(places)), places, atol=1e-4)


def test_elsewhere_a_true_plane_is_kept_and_mercator_is_not(picture, tmp_path):
    utm = write_ortho(tmp_path / "utm.tif", picture, crs="EPSG:32611", transform=Affine(0.1, 0, 4.4e5, 0, -0.1, 5.5e6))
    assert open_ortho(utm).plane.to_epsg() == 32611
    mercator = write_ortho(
        tmp_path / "m.tif", picture, crs="EPSG:3395", transform=Affine(0.1, 0, -5_743_476, 0, -0.1, -1_750_386)
    )
    assert open_ortho(mercator).plane.to_epsg() == 32722
    assert open_ortho(mercator).gsd_m == pytest.approx(0.0963, abs=2e-4)


@pytest.mark.parametrize("gsd_m", [0.1, 0.05, 0.2, 0.27])
def test_grid_pixels_lie_where_the_files_do(picture, tmp_path, gsd_m):
    grid = Grid(open_ortho(write_ortho(tmp_path / "o.tif", picture)), gsd_m)
    corners = np.array([[0, 0], [480 * grid.x_scale, 320 * grid.y_scale]])
    np.testing.assert_allclose(grid.to_plane(corners), [[-20_000, -30_000], [-19_952, -30_032]], atol=1e-6)
    np.testing.assert_allclose(grid.to_pixels(grid.to_plane(corners)), corners, atol=1e-5)
    width, height = grid.size_px
    assert width % 16 == height % 16 == 0
    with OrthoReader(grid) as reader:
        whole = reader.read(0, 0, width, height)
        part = reader.read(64, 32, 128, 96)
    # What is read in parts is what is read at once, but for what resampling sees beyond a part's edge.
    apart = np.abs(whole.rgb[32:96, 64:128].astype(int) - part.rgb)[4:-4, 4:-4]
    assert np.median(apart) == 0
    assert whole.valid[: grid.inside_px[1], : grid.inside_px[0]].all()
    assert not whole.valid[grid.inside_px[1] :].any()


def test_a_blob_stays_in_its_place_when_shrunk_and_enlarged(tmp_path):
    picture = np.full((320, 480, 3), 20, np.uint8)
    picture[100:160, 200:300] = 250
    path = write_ortho(tmp_path / "blob.tif", picture)
    for gsd in (0.05, 0.07, 0.25, 0.4):
        grid = Grid(open_ortho(path), gsd)
        with OrthoReader(grid) as reader:
            rows, columns = np.nonzero(reader.read(0, 0, *grid.size_px).rgb[..., 0] > 135)
        box = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], float)
        np.testing.assert_allclose(grid.to_plane(box), [[-19_980, -30_010], [-19_970, -30_016]], atol=0.51 * gsd)


def test_near_infrared_is_kept_apart_and_alpha_is_a_mask(picture, tmp_path):
    extra = np.full((*picture.shape[:2], 1), 77, np.uint8)
    four = open_ortho(
        write_ortho(tmp_path / "nir.tif", np.dstack([picture, extra]), photometric="rgb", alpha="unspecified")
    )
    assert (four.bands.rgb, four.bands.alpha, four.bands.others) == ((1, 2, 3), None, (4,))
    alpha = np.where(np.arange(480) < 240, 255, 0).astype(np.uint8) * np.ones((320, 1), np.uint8)
    masked = open_ortho(write_ortho(tmp_path / "a.tif", np.dstack([picture, alpha]), photometric="rgb", alpha="yes"))
    assert masked.bands.alpha == 4
    with OrthoReader(Grid(masked, 0.1), fill=114) as reader:
        patch = reader.read(0, 0, 480, 320)
    assert patch.valid[:, :240].all()
    assert not patch.valid[:, 240:].any()
    assert (patch.rgb[:, 240:] == 114).all()


def test_sixteen_bits_are_stretched_robustly_and_it_is_said(picture, tmp_path):
    wide = picture.astype(np.uint16) * 40 + 200
    wide[5, 5] = 65_535  # a glint
    ortho = open_ortho(write_ortho(tmp_path / "w.tif", wide))
    assert any("uint16 pixels: values" in line for line in ortho.lines)
    with OrthoReader(Grid(ortho, 0.1)) as reader:
        seen = reader.read(0, 0, 480, 320).rgb
    assert np.ptp(seen) > 200
    assert np.corrcoef(seen.ravel(), picture.ravel())[0, 1] > 0.99


def test_a_black_collar_is_outside_but_a_shadow_is_not(picture, tmp_path):
    dark = np.vstack([picture, np.zeros((300, 480, 3), np.uint8)])
    dark[50:56, 60:66] = 0
    ortho = open_ortho(write_ortho(tmp_path / "dark.tif", dark))
    assert ortho.collar == (0, 0, 0)
    with OrthoReader(Grid(ortho, 0.1)) as reader:
        valid = reader.read(0, 0, 480, 624).valid
    assert valid[:318].all()
    assert not valid[322:].any()


@pytest.mark.parametrize("filler", [-9999.0, -10_000.0, np.finfo(np.float32).min, np.nan, -np.inf, 1e20])
def test_what_stands_for_nothing_in_floats_is_outside_whether_the_file_says_so_or_not(filler, picture, tmp_path):
    floats = picture.astype(np.float32) / 255
    plain = open_ortho(write_ortho(tmp_path / "plain.tif", floats))
    assert plain.collar is None
    floats[:, 300:] = filler
    floats[40, 40] = 7.5  # a glint
    ortho = open_ortho(write_ortho(tmp_path / "filled.tif", floats))
    np.testing.assert_allclose(
        [ortho.stretch.low, ortho.stretch.high], [plain.stretch.low, plain.stretch.high], atol=0.02
    )
    said = f"whole parts are {filler:g}" if np.isfinite(filler) else "parts are no numbers (NaN)"
    assert f"nothing is masked, but {said}: taken as outside" in ortho.lines
    with OrthoReader(Grid(ortho, 0.1), fill=114) as reader:
        patch = reader.read(0, 0, 480, 320)
    assert patch.valid[:, :300].all() and not patch.valid[:, 300:].any()
    assert np.corrcoef(patch.rgb[:, :300].ravel(), picture[:, :300].ravel())[0, 1] > 0.99
    assert (patch.rgb[:, 300:] == 114).all()


def test_a_picture_of_numbers_that_stand_for_nothing_is_refused(picture, tmp_path):
    nothing = np.full(picture.shape, np.nan, np.float32)
    with pytest.raises(RasterError, match="nothing but nodata"):
        open_ortho(write_ortho(tmp_path / "nan.tif", nothing))


def test_strips_are_copied_once_into_tiles_without_loss(tmp_path, monkeypatch):
    picture = plant(1600, 900).picture
    path = write_ortho(tmp_path / "strips.tif", picture, tiled=None, blockxsize=None, blockysize=None)
    monkeypatch.setattr("geo.raster.tiled._SMALL_BYTES", 0)
    said: list[str] = []
    ortho = open_ortho(path)
    copy = tiled_copy(ortho, tmp_path / "cache", said.append)
    again = tiled_copy(ortho, tmp_path / "cache", said.append)
    assert copy.path == again.path != path
    assert len(said) == 1
    with OrthoReader(Grid(ortho, 0.1)) as one, OrthoReader(Grid(copy, 0.1)) as other:
        np.testing.assert_array_equal(one.read(0, 0, 1600, 896).rgb, other.read(0, 0, 1600, 896).rgb)
    with rasterio.open(copy.path) as source:
        assert source.block_shapes[0] == (512, 512)


def test_tiled_copies_of_other_files_and_of_killed_runs_are_removed(tmp_path, monkeypatch):
    picture = plant(320, 256).picture
    strips = {"tiled": None, "blockxsize": None, "blockysize": None}
    path, cache = write_ortho(tmp_path / "strips.tif", picture, **strips), tmp_path / "cache"
    monkeypatch.setattr("geo.raster.tiled._SMALL_BYTES", 0)
    monkeypatch.setattr("geo.raster.tiled.is_cheap_to_cut", lambda source: source.block_shapes[0][1] < source.width)
    first = tiled_copy(open_ortho(path), cache, str).path
    killed = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    whole = part_of(cache / "strips-0.tiled.tif").name
    theirs, mine = (cache / whole.replace(f".{os.getpid()}.", f".{pid}.") for pid in (int(killed.stdout), os.getppid()))
    left = [theirs, theirs.with_name(f"{theirs.name}.ovr.tmp")]
    for one in (*left, mine):
        one.write_bytes(b"half")
    os.utime(path, (1e9, 1e9))
    second = tiled_copy(open_ortho(path), cache, str).path
    assert second != first
    assert sorted(cache.iterdir()) == sorted([second, mine]), "a living process still writes its own"
    tiled_copy(open_ortho(write_ortho(tmp_path / "tiles.tif", picture)), cache, str)
    assert list(cache.iterdir()) == [mine]


def test_the_cache_holds_the_blocks_that_neighbouring_tiles_share():
    with rasterio.Env(**GDAL_OPTIONS):
        cache = get_gdal_config("GDAL_CACHEMAX")
    blocks_under_a_tile = (1280 // 512 + 2) ** 2 * 512 * 512 * 3
    assert 4 * blocks_under_a_tile < cache <= 256 * 2**20


def test_bad_files_are_refused_with_one_line(picture, tmp_path):
    nowhere = write_ortho(tmp_path / "nowhere.tif", picture, crs=None, transform=None)
    with pytest.raises(CrsError, match=r"no coordinate reference system.*--crs EPSG and --resolution"):
        open_ortho(nowhere)
    with pytest.raises(RasterError, match="--resolution"):
        open_ortho(nowhere, Stated("6677"))
    sized = open_ortho(nowhere, Stated("6677", 0.1))
    assert sized.place.free
    assert sized.gsd_m == 0.1
    no_crs = write_ortho(tmp_path / "no_crs.tif", picture, crs=None)
    with pytest.raises(CrsError, match="Say it with --crs EPSG, or"):
        open_ortho(no_crs)
    assert open_ortho(no_crs, Stated("6677")).plane == CRS(6677)
    with pytest.raises(CrsError, match="but --crs says"):
        open_ortho(write_ortho(tmp_path / "p.tif", picture), Stated("6678"))
    placed = write_ortho(tmp_path / "q.tif", picture)
    with pytest.raises(RasterError, match=r"pixels of 0\.1 m on the ground, but --resolution says 0\.02 m.*Leave"):
        open_ortho(placed, Stated(None, 0.02))
    assert open_ortho(placed, Stated(None, 0.101)).gsd_m == pytest.approx(0.1, rel=1e-3)
    for side in (float("inf"), float("nan"), 0.0, -1.0):
        with pytest.raises(RasterError, match="--resolution must be a number above 0"):
            open_ortho(nowhere, Stated("6677", side))
    with pytest.raises(RasterError, match="one band, but red, green and blue"):
        open_ortho(write_ortho(tmp_path / "one.tif", picture[..., :1]))
    with pytest.raises(RasterError, match="nothing but nodata"):
        open_ortho(write_ortho(tmp_path / "none.tif", np.zeros_like(picture), nodata=0))
    with pytest.raises(RasterError, match="no such file"):
        open_ortho(tmp_path / "absent.tif")
    text = tmp_path / "text.tif"
    text.write_text("no picture")
    with pytest.raises(RasterError, match="not a raster"):
        open_ortho(text)


def test_a_file_that_was_cut_off_is_refused_before_it_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    path = write_ortho(tmp_path / "whole.tif", noise)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RasterError, match="cut off"):
        open_ortho(path)


def test_height_models_that_do_not_fit_are_refused(tmp_path):
    bounds = (-20_000.0, -30_032.0, -19_952.0, -30_000.0)
    plane = CRS(6677)
    assert open_heights(_heights(tmp_path / "good.tif"), plane, bounds).pixel_m == pytest.approx(1)
    with pytest.raises(RasterError, match="does not overlap"):
        open_heights(_heights(tmp_path / "far.tif", transform=Affine(1, 0, 0, 0, -1, 0.5)), plane, bounds)
    with pytest.raises(RasterError, match="2 bands"):
        open_heights(_heights(tmp_path / "two.tif", count=2), plane, bounds)
    with pytest.raises(CrsError, match="no coordinate"):
        open_heights(_heights(tmp_path / "lost.tif", crs=None), plane, bounds)


@pytest.mark.parametrize(
    ("names", "rgb", "others", "said"),
    [
        (("Blue", "Green", "Red", "Red edge", "NIR"), (3, 2, 1), (4, 5), "bands 3, 2, 1 are red, green and blue, by"),
        (("Coastal blue", "Blue-475", "Green (560 nm)", "Red edge", "Red_668"), (5, 3, 2), (1, 4), "by their names"),
        (("b", "g", "r", "", "near infra red"), (3, 2, 1), (4, 5), "by their names"),
        (("1", "2", "3", "4", "5"), (1, 2, 3), (4, 5), "taken as red, green, blue in this order"),
        (("Blue", "Green", "x", "Red edge", "NIR"), (1, 2, 3), (4, 5), "taken as red, green, blue in this order"),
    ],
)
def test_bands_are_known_by_their_names_and_what_is_taken_for_a_colour_is_said(tmp_path, names, rgb, others, said):
    values = np.random.default_rng(0).integers(5000, 60000, (64, 64, 5)).astype(np.uint16)
    path = write_ortho(tmp_path / "ms.tif", values)
    with rasterio.open(path, "r+") as target:
        target.descriptions = names
    ortho = open_ortho(path)
    assert (ortho.bands.rgb, ortho.bands.others) == (rgb, others)
    assert any(said in line for line in ortho.lines)


@pytest.mark.parametrize(
    ("metres", "unit", "crs", "told"),
    [
        (0.3048, "ft", "EPSG:6677", "feet"),
        (1200 / 3937, None, "EPSG:6677+6360", "US survey feet"),
        (0.01, "cm", "EPSG:6677", "centimetres"),
        (1, "m", "EPSG:6677", None),
        (1, "metre", "EPSG:6677+6695", None),
        (1, None, "EPSG:6697", None),
    ],
)
def test_heights_are_converted_from_the_unit_that_the_file_states(tmp_path, metres, unit, crs, told):
    values = np.linspace(3, 20, 32 * 48, dtype=np.float32).reshape(32, 48)
    where = {"transform": Affine(1e-5, 0, 139.6118, 0, -1e-5, 35.7293)} if crs == "EPSG:6697" else {}
    path = _heights(tmp_path / "chm.tif", values=(values / metres).astype(np.float32), crs=crs, **where)
    _units(path, unit)
    model = open_heights(path, CRS(6677), (-20_000.0, -30_032.0, -19_952.0, -30_000.0))
    with reading(model) as reader:
        assert np.nanmax(reader.read(0, 0, *reader.size_px).values) == pytest.approx(20, abs=0.1)
    assert [f"heights are in {told}" in line for line in model.lines] == ([] if told is None else [True])


def test_a_terrain_may_have_another_unit_than_the_surface_and_an_unknown_one_is_refused(tmp_path):
    plane, bounds = CRS(6677), (-20_000.0, -30_032.0, -19_952.0, -30_000.0)
    surface = _heights(tmp_path / "dsm.tif", values=np.float32(112))
    terrain = _units(_heights(tmp_path / "dtm.tif", values=np.float32(100 / 0.3048)), "ft")
    model = open_heights(surface, plane, bounds, terrain)
    with reading(model) as reader:
        assert reader.read(0, 0, 48, 32).values == pytest.approx(12, abs=1e-3)
    assert model.lines[0] == "dtm.tif: heights are in feet, converted to metres"
    with pytest.raises(RasterError, match=r"odd\.tif: its heights are in 'degC'.*gdal_edit"):
        open_heights(_units(_heights(tmp_path / "odd.tif"), "degC"), plane, bounds)


def _units(path, unit):
    with rasterio.open(path, "r+") as target:
        if unit is not None:
            target.set_band_unit(1, unit)
    return path


def test_heights_in_other_units_or_above_the_sea_are_refused_and_scales_applied(tmp_path):
    bounds = (-20_000.0, -30_032.0, -19_952.0, -30_000.0)
    plane = CRS(6677)
    centimetres = np.linspace(1000, 2000, 32 * 48).reshape(32, 48).astype(np.int16)
    path = _heights(tmp_path / "cm.tif", values=centimetres)
    said = r"most of what is above 2 is above 130, too \(half of it above 1,\d{3}\).*--dsm"
    with pytest.raises(RasterError, match=said):
        open_heights(path, plane, bounds)
    open_forest = np.where(np.arange(32 * 48).reshape(32, 48) % 3, 0, centimetres)
    with pytest.raises(RasterError, match=said):
        open_heights(_heights(tmp_path / "open.tif", values=open_forest), plane, bounds)
    bare = np.zeros((32, 48), np.float32)
    bare[0, :4] = (180, 240, 310, 150)  # birds
    open_heights(_heights(tmp_path / "bare.tif", values=bare), plane, bounds)
    with rasterio.open(path, "r+") as target:
        target.scales = (0.01,)
    with reading(open_heights(path, plane, bounds)) as reader:
        np.testing.assert_allclose(reader.read(0, 0, 10, 10).values, centimetres[:10, :10] / 100, rtol=1e-5)
    filled = np.where(np.arange(48) > 20, 9999, np.linspace(2, 20, 48)) * np.ones((32, 1))
    with reading(
        open_heights(_heights(tmp_path / "filled.tif", values=filled.astype(np.float32)), plane, bounds)
    ) as reader:
        assert np.isnan(reader.read(0, 0, 48, 32).values).mean() == pytest.approx(27 / 48)


def test_surface_and_terrain_of_different_datums_are_named(tmp_path):
    bounds = (-20_000.0, -30_032.0, -19_952.0, -30_000.0)
    surface = _heights(tmp_path / "dsm.tif", values=np.linspace(236, 238, 32 * 48, dtype=np.float32).reshape(32, 48))
    terrain = _heights(tmp_path / "dtm.tif", values=np.full((32, 48), 200.0, np.float32))
    (said,) = open_heights(surface, CRS(6677), bounds, terrain).lines
    assert "+36 m from the terrain" in said
    level = _heights(tmp_path / "level.tif", values=np.full((32, 48), 236.0, np.float32))
    assert not open_heights(surface, CRS(6677), bounds, level).lines


def test_a_dark_picture_of_16_bits_is_no_collar(tmp_path):
    dark = np.random.default_rng(0).integers(200, 600, (600, 480, 3)).astype(np.uint16)
    dark[300:] = 0
    ortho = open_ortho(write_ortho(tmp_path / "dark.tif", dark))
    assert ortho.collar == (0, 0, 0)
    with OrthoReader(Grid(ortho, 0.1)) as reader:
        valid = reader.read(0, 0, 480, 600).valid
    assert valid[:290].all()
    assert not valid[310:].any()


def test_a_day_that_is_none_is_not_taken_for_one(picture, tmp_path):
    path = write_ortho(tmp_path / "p.tif", picture)
    for text, date in (("0000:00:00 00:00:00", ""), ("2026:05:01 09:30:00", "2026-05-01")):
        with rasterio.open(path, "r+") as target:
            target.update_tags(TIFFTAG_DATETIME=text)
        ortho = open_ortho(path)
        assert ortho.date == date
        assert any("when the file was made" in line for line in ortho.lines) == bool(date)


def test_coordinates_of_a_photogrammetry_program_are_no_place(picture, tmp_path):
    local = (
        'LOCAL_CS["Local Coordinates (m)",LOCAL_DATUM["Local Datum",0],UNIT["metre",1],AXIS["X",EAST],AXIS["Y",NORTH]]'
    )
    path = write_ortho(tmp_path / "local.tif", picture, crs=local)
    with pytest.raises(CrsError, match="no coordinate reference system"):
        open_ortho(path)
    assert open_ortho(path, Stated("6677")).plane == CRS(6677)


def test_the_tiles_of_a_virtual_raster_are_part_of_what_was_read(picture, tmp_path):
    tile = write_ortho(tmp_path / "tile.tif", picture)
    shutil.copy(tile, tmp_path / "plain.tif")
    virtual = tmp_path / "all.vrt"
    copy(tile, virtual, driver="VRT")
    assert open_ortho(virtual).beside == (tile,)
    assert open_ortho(tmp_path / "plain.tif").beside == ()
    before = state_of(tile)
    write_ortho(tile, picture[::-1])
    assert state_of(tile) != before


def test_a_virtual_raster_over_an_archive_is_known_by_the_archive(picture, tmp_path):
    tile = write_ortho(tmp_path / "tile.tif", picture)
    archive, virtual = tmp_path / "tile.zip", tmp_path / "all.vrt"
    with zipfile.ZipFile(archive, "w") as target:
        target.write(tile, "tile.tif")
    copy(f"/vsizip/{archive}/tile.tif", virtual, driver="VRT")
    (inside,) = open_ortho(virtual).beside
    before = state_of(inside)
    assert before[1] == archive.stat().st_size
    os.utime(archive, (1e9, 1e9))
    assert state_of(inside) != before
    far = Path("/vsicurl/https://example.invalid/tile.tif")
    assert state_of(far) == [str(far)]
