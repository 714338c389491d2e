"""Tracks of many makers are read alike, and what cannot be read says why."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import gpxpy.gpx
import numpy as np
import pytest
from PIL import Image

from geo.errors import TrackError
from geo.track import Fixes, clean, fixes_from_photos, photo_times, read_fixes
from geo.track.gpx import read_gpx

Tags = Mapping[int, object]

TOKYO = ZoneInfo("Asia/Tokyo")
T0 = dt.datetime(2026, 4, 21, 1, 12, 5, tzinfo=dt.UTC).timestamp()

GARMIN = """<?xml version="1.0" encoding="UTF-8"?>
<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1" creator="Garmin"
     xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"><trk><trkseg>
<trkpt lat="36.1" lon="140.1"><time>2026-04-21T01:12:05.250Z</time><extensions><gpxtpx:TrackPointExtension>
  <gpxtpx:speed>12.5</gpxtpx:speed><gpxtpx:course>271.5</gpxtpx:course></gpxtpx:TrackPointExtension></extensions></trkpt>
<trkpt lat="36.2" lon="140.2"><time>2026-04-21T10:12:07+09:00</time></trkpt>
<trkpt lat="36.3" lon="140.3"></trkpt>
</trkseg></trk></gpx>"""

BOMB = """<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<gpx version="1.1"><trk><name>&c;</name></trk></gpx>"""

NMEA = [
    "GNRMC,235959.50,A,3606.0000,N,14006.0000,E,024.3,271.5,200426,,,A",
    "GNVTG,271.5,T,,M,024.3,N,045.0,K,A",
    "GNGGA,235959.50,3606.0000,N,14006.0000,E,1,09,0.9,30.0,M,38.0,M,,",
    "GNGST,235959.50,1.2,,,,1.0,2.0,3.0",
    "GPGSV,1,1,01,05,40,083,46",
    "GNGGA,000000.50,3606.0060,N,14006.0000,E,1,09,0.9,30.0,M,38.0,M,,",
    "GNRMC,000000.50,A,3606.0060,N,14006.0000,E,,,210426,,,A",
    "GNVTG,271.5,T,,M,010.0,N,018.5,K,A",
    "GNRMC,000001.50,V,,,,,,,210426,,,N",
]


def sentence(body: str) -> str:
    checksum = 0
    for letter in body:
        checksum ^= ord(letter)
    return f"${body}*{checksum:02X}"


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def photo(path: Path, *, taken: str | None = None, photo_tags: Tags | None = None, gps: Tags | None = None) -> Path:
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[36867] = taken
    exif.get_ifd(0x8769).update(photo_tags or {})
    exif.get_ifd(0x8825).update(gps or {})
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    return path


def gps_tags(*, time: tuple[float, float, float] | None = None, lat: float = 36.1) -> dict[int, object]:
    tags: dict[int, object] = {1: "S" if lat < 0 else "N", 2: (abs(lat), 0.0, 0.0), 3: "E", 4: (140.0, 6.0, 0.0)}
    return tags if time is None else tags | {7: time, 29: "2026:04:21"}


# ---- GPX


def test_gpx_keeps_fractions_zones_and_the_extensions_of_garmin(tmp_path: Path) -> None:
    fixes = read_fixes(written(tmp_path / "ride.gpx", GARMIN))
    np.testing.assert_allclose(fixes.t_s, [T0 + 0.25, T0 + 2], atol=1e-6)
    np.testing.assert_array_equal(fixes.lat, [36.1, 36.2])
    np.testing.assert_array_equal(fixes.speed_mps, [12.5, np.nan])
    np.testing.assert_array_equal(fixes.bearing_deg, [271.5, np.nan])
    assert fixes.counts.no_position == 1
    assert fixes.source.endswith("ride.gpx")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_gpx_reads_plain_speed_whatever_version_is_claimed(tmp_path: Path, version: str) -> None:
    text = (
        f'<gpx version="{version}"><trk><trkseg><trkpt lat="36" lon="140"><time>2026-04-21T01:12:05</time>'
        "<course>90</course><speed>8.5</speed></trkpt></trkseg></trk></gpx>"
    )
    fixes = read_fixes(written(tmp_path / "log.gpx", text))
    assert (fixes.t_s[0], fixes.speed_mps[0], fixes.bearing_deg[0]) == (T0, 8.5, 90.0)


def test_gpx_points_outside_of_a_segment_are_counted_and_the_others_keep_their_own_speeds(tmp_path: Path) -> None:
    stray, first, second = (
        f'<trkpt lat="36.{k}" lon="140"><time>2026-04-21T01:12:0{k}Z</time><speed>{k}</speed></trkpt>' for k in range(3)
    )
    text = f'<gpx version="1.1"><trk>{stray}<trkseg>{first}{second}</trkseg></trk></gpx>'
    fixes = read_fixes(written(tmp_path / "a.gpx", text))
    assert fixes.speed_mps.tolist() == [1.0, 2.0]
    assert fixes.lat.tolist() == [36.1, 36.2]
    assert fixes.counts.unreadable == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "shift_jis"])
def test_gpx_is_read_in_the_encoding_it_states(tmp_path: Path, encoding: str) -> None:
    stated = encoding.removesuffix("-sig")
    text = GARMIN.replace("UTF-8", stated).replace("<trk>", "<trk><name>国道</name>")
    assert len(read_fixes(written(tmp_path / "a.gpx", text.encode(encoding)))) == 2


def test_gpx_out_of_order_is_sorted_and_counted(tmp_path: Path) -> None:
    points = [f'<trkpt lat="36.{k}" lon="140"><time>2026-04-21T01:12:0{k}Z</time></trkpt>' for k in (3, 1, 2, 2)]
    text = f'<gpx version="1.1"><trk><trkseg>{"".join(points)}</trkseg></trk></gpx>'
    fixes = read_fixes(written(tmp_path / "a.gpx", text))
    np.testing.assert_allclose(fixes.lat, [36.1, 36.2, 36.3])
    assert (fixes.counts.out_of_order, fixes.counts.duplicates) == (1, 1)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("bomb.gpx", BOMB, "XML bomb"),
        ("remote.gpx", '<!DOCTYPE gpx SYSTEM "http://example.com/x.dtd"><gpx/>', "DTD"),
        ("cut.gpx", GARMIN[:400], "not well-formed"),
        ("page.gpx", "<?xml version='1.0'?><html><body/></html>", "not GPX: the XML is a <html>"),
        ("empty.gpx", "", "empty"),
        ("none.gpx", '<gpx version="1.1"><trk><trkseg/></trk></gpx>', "no points"),
        (
            "plan.gpx",
            '<gpx version="1.1"><rte><rtept lat="36" lon="140"/></rte></gpx>',
            "none of the GPX's 1 points has a time",
        ),
        (
            "letters.gpx",
            '<gpx version="1.1"><trk><trkseg><trkpt lat="x" lon="1"/></trkseg></trk></gpx>',
            "not readable",
        ),
        ("text.gpx", "hello", "not well-formed"),
        ("latin.gpx", "<gpx><!-- é --></gpx>".encode("latin-1"), "encoding"),
        ("gopro.mp4", b"\0\0\0\x20ftypmp41" + bytes(64), "video"),
        ("noise.bin", bytes(range(256)), "not a kind of track"),
        ("names.csv", "a,b,c\n1,2,3\n", "no column for time and lon and lat among: a, b, c"),
        ("rows.csv", "time,lat,lon\nsoon,36,140\n", "readable time"),
        ("clock.csv", "time,lat,lon\n10:12:05,36,140\n", "readable time"),
        ("whichever.csv", "time,lat,lon\n01/02/2026 10:00:00,36,140\n", "readable time"),
        ("open.csv", '"time,lat,lon\n1,2,3', "not readable as a table"),
        ("void.csv", "time,lat,lon\n2026-04-21,,\n", "readable position"),
        ("void.nmea", sentence(NMEA[-1]), "no NMEA sentence states a position"),
        ("undated.nmea", sentence(NMEA[2]), "states a date"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do_in_one_line(
    tmp_path: Path, name: str, text: str | bytes, says: str
) -> None:
    with pytest.raises(TrackError, match=says) as caught:
        read_fixes(written(tmp_path / name, text))
    assert caught.value.remedy
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_track_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="cannot be opened"):
        read_fixes(tmp_path / "absent.gpx")


def test_gpx_too_large_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="larger than"):
        read_gpx(written(tmp_path / "a.gpx", GARMIN), max_bytes=100)


# ---- CSV


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("t_s,lon,lat,speed_mps,bearing_deg", f"{T0},140.1,36.1,10,271.5"),
        ("Timestamp;Latitude;Longitude;Speed (km/h);Heading", f"{T0 * 1000:.0f};36.1;140.1;36;271.5"),
        ("gpsTime\tlat_deg\tlng\tspeedKnots\tcourse", "2026-04-21T01:12:05Z\t36.1\t140.1\t19.438445\t271.5"),
        ("日付,時刻,緯度,経度,速度(km/h),方位", "2026/04/21,01:12:05,36.1,140.1,36,271.5"),
        ("\ufeffdate, time, gps_lat, gps_lon, speed_mps, cog", "2026-04-21, 01:12:05, 36.1, 140.1, 10, 271.5"),
        ("日時;緯度(度);経度(度);速度(km/h);方位(度)", "20260421011205;36,1;140,1;36,0;271,5"),
        ("Time;Lat;Lon;speed_mps;course", f"{T0:.0f},000;36,1;140,1;10,0;271,5"),
        ("time\tlat\tlon\tspeed_mps\tcog", "2026-04-21T01:12:05,000Z\t36,1\t140,1\t10,0\t271,5"),
        ("time,lat,lon,speed_mps,cog", "20260421011205000,36.1,140.1,10,271.5"),
        ("time,lat,lon,speed_mps,cog", "20260421101205+0900,36.1,140.1,10,271.5"),
        ("time,lat,lon,speed_mps,cog", '20260421011205.000,"36,1","140,1","10,0",271.5'),
        ("Date Time,LATITUDE,LONGITUDE,Speed [m/s],Bearing", "2026-04-21 10:12:05+09:00,36.1,140.1,10,271.5"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_csv_is_read_whatever_its_columns_are_called(tmp_path: Path, head: str, row: str, encoding: str) -> None:
    text = f"{head}\r\n{row}\r\n".encode(encoding, "ignore")
    fixes = read_fixes(written(tmp_path / "log.csv", text))
    read = [fixes.t_s[0], fixes.lon[0], fixes.lat[0], fixes.speed_mps[0], fixes.bearing_deg[0]]
    np.testing.assert_allclose(read, [T0, 140.1, 36.1, 10.0, 271.5], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 3.6, 1.943844, 2.236936])
def test_csv_speed_of_no_stated_unit_is_taken_in_the_unit_that_fits_the_distances(
    tmp_path: Path, factor: float
) -> None:
    rows = [f"{T0 + k},{36 + k * 12 / 111_195:.8f},140,{12 * factor:.4f}" for k in range(10)]
    fixes = read_fixes(written(tmp_path / "log.csv", "\n".join(["time,lat,lon,speed", *rows])))
    np.testing.assert_allclose(fixes.speed_mps, 12.0, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "time", "timezone"),
    [
        ("time", "2026-04-21 10:12:05", TOKYO),
        ("日時", "2026/04/21 10:12:05", TOKYO),
        ("time", "2026-04-21T03:12:05", ZoneInfo("Europe/Berlin")),
        ("time", "2026-04-21 01:12:05", None),
        ("time", "2026-04-21T01:12:05Z", TOKYO),
        ("time", "2026-04-21 03:12:05.0+02:00", TOKYO),
        ("time", "2026-04-21T031205+02", TOKYO),
        ("time", "2026-04-21 10:12:05 UTC+9", None),
        ("time", "2026/04/21 10:12:05 GMT+09:00", TOKYO),
        ("time", "2026-04-20T20:12:05 utc-5", TOKYO),
        ("time", "2026-04-21 06:42:05UTC+0530", None),
        ("time", "2026-04-21 01:12:05 UTC", TOKYO),
        ("time_utc", "2026-04-21 01:12:05", TOKYO),
        ("gps_time", "2026-04-21 01:12:05", TOKYO),
        ("time", f"{T0:.0f}", TOKYO),
    ],
)
def test_csv_times_without_a_zone_are_in_the_stated_one(
    tmp_path: Path, name: str, time: str, timezone: ZoneInfo | None
) -> None:
    log = written(tmp_path / "log.csv", f"{name},lat,lon\n{time},36,140\n")
    np.testing.assert_allclose(read_fixes(log, timezone).t_s, [T0])


def test_the_hour_that_clocks_show_twice_is_not_guessed(tmp_path: Path) -> None:
    rows = [f"2026-10-25 {hour}:30:00,36,140" for hour in ("01", "02", "03")]
    log = written(tmp_path / "log.csv", "\n".join(["time,lat,lon", *rows]))
    assert np.diff(read_fixes(log, ZoneInfo("Europe/Berlin")).t_s).tolist() == [3 * 3600.0]


def test_gpx_is_in_utc_whatever_zone_is_stated(tmp_path: Path) -> None:
    bare = GARMIN.replace("05.250Z", "05.250")
    np.testing.assert_allclose(read_fixes(written(tmp_path / "a.gpx", bare), TOKYO).t_s[0], T0 + 0.25)


def ten_rows_a_second(seconds: int, speed: float = 15.0) -> list[tuple[float, float, float]]:
    """Time, latitude and speed north: a fix a second, each in ten rows."""
    return [(T0 + k / 10, round(36 + k // 10 * speed / 111_195, 7), speed) for k in range(seconds * 10)]


@pytest.mark.parametrize("kind", ["csv", "gpx"])
def test_rows_that_repeat_a_position_while_moving_are_no_fixes(tmp_path: Path, kind: str) -> None:
    rows = ten_rows_a_second(20)
    if kind == "csv":
        text = "\n".join(["time,lat,lon,speed", *(f"{t:.1f},{lat},140,{v * 3.6}" for t, lat, v in rows)])
    else:
        when = [dt.datetime.fromtimestamp(t, dt.UTC).isoformat() for t, _, _ in rows]
        points = [
            f'<trkpt lat="{lat}" lon="140"><time>{at}</time><speed>{v}</speed></trkpt>'
            for at, (_, lat, v) in zip(when, rows, strict=True)
        ]
        text = f'<gpx version="1.1"><trk><trkseg>{"".join(points)}</trkseg></trk></gpx>'
    fixes = read_fixes(written(tmp_path / f"log.{kind}", text))
    np.testing.assert_allclose(fixes.t_s, T0 + np.arange(20))
    np.testing.assert_allclose(fixes.speed_mps, 15.0)
    assert fixes.counts.duplicates == 180


def test_rows_that_repeat_a_position_while_standing_are_kept(tmp_path: Path) -> None:
    rows = [f"{T0 + k},{36 + max(0, k - 60) * 10 / 111_195 - min(0, k - 20) * 1e-4:.7f},140" for k in range(80)]
    fixes = read_fixes(written(tmp_path / "log.csv", "\n".join(["time,lat,lon", *rows, f"{T0 + 90},{36.002},140"])))
    assert len(fixes) == 81
    ends_standing = "\n".join(["time,lat,lon", *rows[:50]])
    assert len(read_fixes(written(tmp_path / "log.csv", ends_standing))) == 50


def test_a_receiver_that_freezes_where_the_vehicle_has_stopped_stays_until_its_end(tmp_path: Path) -> None:
    rows = [f"{T0 + k},{36 + min(k, 30) * 10 / 111_195:.7f},140" for k in range(36)]
    fixes = read_fixes(written(tmp_path / "log.csv", "\n".join(["time,lat,lon", *rows])))
    assert fixes.t_s[-1] == T0 + 35


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("time,lat,lat_ref,lon,lon_ref", "22.9,S,43.1,W"),
        ("time,LATITUDE,N/S,LONGITUDE,E/W", "22.9,S,43.1,W"),
        ("time,lat,NS,lon,EW", "-22.9,s,-43.1,w"),
        ("time,LATITUDE N/S,LONGITUDE E/W", "22.9S,43.1W"),
        ("time;lat;lon", "22,9° S;W 43,1"),
        ("time,緯度,経度", "南緯22.9度,西経43.1度"),
        ("time,lat,lon,ns", "-22.9,-43.1,500"),
        ("time,lat,lon", "-2.29e+01,-.431E2"),
    ],
)
def test_csv_hemispheres_are_read_wherever_they_stand(tmp_path: Path, head: str, row: str) -> None:
    sep = ";" if ";" in head else ","
    fixes = read_fixes(written(tmp_path / "log.csv", f"{head}\n{T0}{sep}{row}\n"))
    np.testing.assert_allclose([fixes.lat[0], fixes.lon[0]], [-22.9, -43.1])


def test_csv_rows_of_no_known_hemisphere_have_no_position(tmp_path: Path) -> None:
    rows = [f"{T0},36,N,140,E", f"{T0 + 1},36,,140,E", f"{T0 + 2},36,E,140,N", f"{T0 + 3},36,N,140E,E"]
    fixes = read_fixes(written(tmp_path / "log.csv", "\n".join(["time,lat,N/S,lon,E/W", *rows])))
    assert (fixes.t_s - T0).tolist() == [0.0, 3.0]
    assert fixes.counts.no_position == 2


@pytest.mark.parametrize("head", ["course,heading", "heading,course", "方位,進行方向", "azimuth,cog"])
def test_csv_course_goes_before_what_may_be_a_compass(tmp_path: Path, head: str) -> None:
    values = ("90", "275") if head.startswith("course") else ("275", "90")
    fixes = read_fixes(written(tmp_path / "log.csv", f"time,lat,lon,{head}\n{T0},36,140,{values[0]},{values[1]}\n"))
    assert fixes.bearing_deg.tolist() == [90.0]


def test_csv_counts_rows_that_are_broken_and_reads_the_others(tmp_path: Path) -> None:
    text = f"time,lat,lon,accuracy\n{T0},36,140,4.5\n{T0 + 1},36,140,3,9,9\n{T0 + 2},x,140,\n{T0 + 3},36,140,0\n"
    fixes = read_fixes(written(tmp_path / "log.csv", text))
    assert len(fixes) == 2
    assert (fixes.counts.unreadable, fixes.counts.no_position) == (1, 1)
    # The radius of 68 % of a circular normal distribution is 1.51 of its standard deviations.
    np.testing.assert_allclose(fixes.sd_m, [4.5 / 1.5096, np.nan], rtol=1e-3)


def test_csv_with_remarks_trailing_commas_and_an_empty_date_column_is_read(tmp_path: Path) -> None:
    text = f"# logger 1.2\n# car 3\ntime,lat,lon,speed,date\n{T0},36,140,,,\n{T0 + 1},36,140,,,\n"
    np.testing.assert_allclose(read_fixes(written(tmp_path / "log.csv", text)).t_s, [T0, T0 + 1])


# ---- NMEA


def test_nmea_of_a_receiver_that_has_no_time_yet_is_no_garble(tmp_path: Path) -> None:
    void = [sentence("GPRMC,,V,,,,,,,,,,N"), sentence("GPGGA,,,,,,0,,,,,,,,"), sentence("GPRMC,,V,,,,,,,210426,,,N")]
    fixes = read_fixes(written(tmp_path / "log.nmea", "\n".join([*void, *(sentence(body) for body in NMEA)])))
    assert len(fixes) == 2
    assert (fixes.counts.unreadable, fixes.counts.no_position) == (0, 4)


@pytest.mark.parametrize("name", ["log.nmea", "log.txt", "log.csv"])
def test_nmea_joins_the_sentences_of_a_moment_over_midnight(tmp_path: Path, name: str) -> None:
    text = "\r\n".join(sentence(body) for body in NMEA)
    fixes = read_fixes(written(tmp_path / name, text))
    midnight = dt.datetime(2026, 4, 21, tzinfo=dt.UTC).timestamp()
    np.testing.assert_allclose(fixes.t_s, [midnight - 0.5, midnight + 0.5])
    np.testing.assert_allclose(fixes.lon, 140.1)
    np.testing.assert_allclose(fixes.lat, [36.1, 36.1001])
    np.testing.assert_allclose(fixes.speed_mps, np.array([24.3, 10.0]) * 1852 / 3600)
    np.testing.assert_allclose(fixes.bearing_deg, 271.5)
    np.testing.assert_allclose(fixes.sd_m, [np.sqrt((1 + 4) / 2), np.nan])
    assert fixes.counts.no_position == 1


def test_nmea_leaves_out_and_counts_sentences_that_were_garbled(tmp_path: Path) -> None:
    good = [sentence(body) for body in NMEA]
    garbled = sentence("GNRMC,000002.50,A,3607.0000,N,14006.0000,E,024.3,271.5,210426,,,A").replace("3607", "3907")
    text = "\n".join([*good, garbled, "\xff\xfe$GNRMC,0000", "# a remark", "12:00 " + good[0]])
    fixes = read_fixes(written(tmp_path / "log.nmea", text))
    assert len(fixes) == 2
    assert fixes.counts.unreadable == 2
    assert fixes.lat.max() < 36.2


# ---- EXIF


def test_photo_times_use_the_stated_offset_before_anything_else(tmp_path: Path) -> None:
    tags = {37521: "250", 36881: "+09:00"}
    paths = [
        photo(tmp_path / "a.jpg", taken="2026:04:21 10:12:05", photo_tags=tags),
        photo(tmp_path / "b.jpg", taken="2026:04:21 10:12:07"),
        photo(tmp_path / "c.jpg"),
        written(tmp_path / "d.jpg", "not a picture"),
        tmp_path / "absent.jpg",
    ]
    np.testing.assert_allclose(photo_times(paths, TOKYO), [T0 + 0.25, T0 + 2, np.nan, np.nan, np.nan], atol=1e-6)
    times = photo_times(paths, None)
    assert times.dtype == np.float64
    np.testing.assert_allclose(times[:2], [T0 + 0.25, np.nan], atol=1e-6)


def test_a_picture_with_gps_time_needs_no_timezone(tmp_path: Path) -> None:
    gps = gps_tags(time=(1.0, 12.0, 3.0))
    paths = [
        photo(tmp_path / "a.jpg", taken="2026:04:21 10:12:05", gps=gps),
        photo(tmp_path / "b.jpg", gps=gps),
    ]
    np.testing.assert_allclose(photo_times(paths), [T0, T0 - 2])


@pytest.mark.parametrize("timezone", [TOKYO, None])
def test_an_old_fix_does_not_change_the_hour_of_a_picture(tmp_path: Path, timezone: ZoneInfo | None) -> None:
    old, new = gps_tags(time=(1.0, 4.0, 5.0)), gps_tags(time=(1.0, 12.0, 6.0))
    paths = [
        photo(tmp_path / "a.jpg", taken="2026:04:21 10:12:05", gps=old),
        photo(tmp_path / "b.jpg", taken="2026:04:21 10:12:06", gps=new),
        photo(tmp_path / "c.jpg", taken="2026:04:21 10:12:07"),
    ]
    np.testing.assert_allclose(photo_times(paths, timezone), T0 + np.arange(3))


@pytest.mark.parametrize("taken", ["2026:10:25 02:30:00", "2026:03:29 02:30:00"])
def test_a_picture_of_the_hour_that_clocks_show_twice_or_never_has_no_time(tmp_path: Path, taken: str) -> None:
    paths = [photo(tmp_path / "a.jpg", taken=taken), photo(tmp_path / "b.jpg", taken="2026:10:25 04:30:00")]
    assert np.isfinite(photo_times(paths, ZoneInfo("Europe/Berlin"))).tolist() == [False, True]


def test_photos_give_a_track_on_the_clock_of_their_own_times(tmp_path: Path) -> None:
    motion = {12: "K", 13: 36.0, 14: "T", 15: 271.5, 31: 3.0}
    for k in range(3):
        tags = gps_tags(lat=-36.25 - k / 1000) | motion
        photo(tmp_path / f"{k}.jpg", taken=f"2026:04:21 10:12:0{5 + k}", gps=tags)
    photo(tmp_path / "indoors.jpg", taken="2026:04:21 10:12:09")
    paths = sorted(tmp_path.glob("*.jpg"))
    fixes = fixes_from_photos(paths, TOKYO)
    np.testing.assert_allclose(fixes.t_s, photo_times(paths, TOKYO)[:3])
    np.testing.assert_allclose(fixes.lat, [-36.25, -36.251, -36.252])
    np.testing.assert_allclose(fixes.lon, 140.1)
    np.testing.assert_allclose(fixes.speed_mps, 10.0)
    np.testing.assert_allclose(fixes.bearing_deg, 271.5)
    np.testing.assert_allclose(fixes.sd_m, 3.0 / 1.5096, rtol=1e-3)
    assert fixes.counts.no_position == 1


def test_a_picture_that_states_no_hemisphere_has_no_position(tmp_path: Path) -> None:
    paths = [photo(tmp_path / "0.jpg", taken="2026:04:21 10:12:05", gps=gps_tags())]
    for tag in (1, 3):
        tags = {key: value for key, value in gps_tags().items() if key != tag}
        paths.append(photo(tmp_path / f"{tag}.jpg", taken=f"2026:04:21 10:12:0{5 + tag}", gps=tags))
    fixes = fixes_from_photos(paths, TOKYO)
    assert len(fixes) == 1
    assert fixes.counts.no_position == 2


def every_second(folder: Path, n: int, *, ahead_s: int = 0, stamped: bool = True) -> list[Path]:
    """Pictures of a phone, one a second, each with the newest fix; the receiver makes one in three seconds."""
    paths = []
    for k in range(n):
        made = k // 3 * 3
        taken = dt.datetime(2026, 4, 21, 10, 12, 5) + dt.timedelta(seconds=k + ahead_s)
        tags = gps_tags(time=(1.0, 12.0, 5.0 + made) if stamped else None, lat=36 + made / 10_000)
        zone = {37521: "400", 36881: "+09:00"}
        paths.append(photo(folder / f"{k:02}.jpg", taken=f"{taken:%Y:%m:%d %H:%M:%S}", photo_tags=zone, gps=tags))
    return paths


def test_a_fix_that_pictures_repeat_is_one_fix_at_the_time_it_was_made(tmp_path: Path) -> None:
    fixes = fixes_from_photos(every_second(tmp_path, 9)[::-1])
    np.testing.assert_allclose(fixes.t_s, T0 + np.array([0, 3, 6]))
    np.testing.assert_allclose(fixes.lat, [36, 36.0003, 36.0006])
    assert fixes.counts.duplicates == 6


def test_a_repeated_fix_without_a_time_of_its_own_is_as_old_as_the_first_picture_that_has_it(tmp_path: Path) -> None:
    fixes = fixes_from_photos(every_second(tmp_path, 9, stamped=False))
    np.testing.assert_allclose(fixes.t_s, T0 + 0.4 + np.array([0, 3, 6]))
    np.testing.assert_allclose(fixes.lat, [36, 36.0003, 36.0006])


@pytest.mark.parametrize("ahead_s", [-40, 40])
def test_fixes_are_on_the_clock_of_the_pictures_where_that_is_not_the_satellites(tmp_path: Path, ahead_s: int) -> None:
    paths = every_second(tmp_path, 9, ahead_s=ahead_s)
    fixes = fixes_from_photos(paths)
    np.testing.assert_allclose(fixes.t_s, photo_times(paths)[::3])
    np.testing.assert_allclose(fixes.t_s, T0 + 0.4 + ahead_s + np.array([0, 3, 6]))


def test_a_fix_left_over_from_before_the_drive_moves_no_other(tmp_path: Path) -> None:
    paths = every_second(tmp_path, 9)
    old = gps_tags(time=(1.0, 0.0, 25.0), lat=35.9)
    photo(paths[0], taken="2026:04:21 10:12:05", photo_tags={37521: "400", 36881: "+09:00"}, gps=old)
    fixes = fixes_from_photos(paths)
    np.testing.assert_allclose(fixes.t_s, T0 + np.array([0, 3, 6]))
    np.testing.assert_allclose(fixes.lat, [36, 36.0003, 36.0006])
    assert fixes.counts.astray == 1


def test_a_receiver_without_the_leap_seconds_moves_no_other_fix(tmp_path: Path) -> None:
    paths = every_second(tmp_path, 9)
    early = gps_tags(time=(1.0, 12.0, 8.0 + 3))
    photo(paths[3], taken="2026:04:21 10:12:08", photo_tags={37521: "400", 36881: "+09:00"}, gps=early)
    fixes = fixes_from_photos(paths)
    np.testing.assert_allclose(fixes.t_s, T0 + np.array([0, 3, 3.4, 6]))
    assert fixes.counts.astray == 0


def test_photos_without_gps_or_time_say_what_is_missing(tmp_path: Path) -> None:
    plain = photo(tmp_path / "a.jpg", taken="2026:04:21 10:12:05")
    with pytest.raises(TrackError, match="none of the 1 pictures states a GPS position"):
        fixes_from_photos([plain])
    with pytest.raises(TrackError, match="none of the 0 pictures"):
        read_fixes(_empty(tmp_path / "folder"))
    untimed = photo(tmp_path / "b.jpg", taken="2026:04:21 10:12:05", gps=gps_tags())
    with pytest.raises(TrackError, match=r"when it was taken.*timezone"):
        fixes_from_photos([untimed])


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.shared
@pytest.mark.parametrize("receiver", ["live_gnss_qcom", "live_gnss_ublox"])
def test_no_fix_of_a_real_drive_is_rejected(shared_data: Path, receiver: str) -> None:
    folder = shared_data / "drive" / "comma2k19" / "processed_log" / "GNSS" / receiver
    value = np.load(folder / "value")
    kept, rejected = clean(Fixes.of(value[:, 3] / 1000, value[:, 1], value[:, 0], speed_mps=value[:, 2]))
    assert len(kept) == len(value)
    assert rejected.empty


@pytest.mark.shared
def test_the_pictures_of_a_real_camera_make_a_track(shared_data: Path) -> None:
    folder = shared_data / "disaster" / "brighton_beach"
    pictures = sorted(path for path in folder.rglob("DJI_*") if path.suffix.lower() == ".jpg")
    fixes = fixes_from_photos(pictures, ZoneInfo("America/Chicago"))
    assert len(fixes) == len(pictures) == 8
    # EPSG:32615 is UTM zone 15 north.
    assert ((fixes.lon > -96) & (fixes.lon < -90) & (fixes.lat > 40) & (fixes.lat < 50)).all()
    assert len(clean(fixes)[0]) == 8


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_gpx_that_gpxpy_wrote_comes_back_as_it_was(tmp_path: Path, version: str) -> None:
    times = T0 + np.arange(20) * 3.0 + 0.125
    lon, lat, speed = np.linspace(140, 140.02, 20), np.linspace(36, 36.01, 20), np.linspace(0, 19, 20)
    segment = gpxpy.gpx.GPXTrackSegment()
    for k in range(20):
        when = dt.datetime.fromtimestamp(times[k], dt.UTC)
        segment.points.append(gpxpy.gpx.GPXTrackPoint(lat[k], lon[k], time=when, speed=speed[k]))
    track = gpxpy.gpx.GPXTrack()
    track.segments.append(segment)
    gpx = gpxpy.gpx.GPX()
    gpx.tracks.append(track)
    fixes = read_fixes(written(tmp_path / "track.gpx", gpx.to_xml(version)))
    np.testing.assert_allclose(fixes.t_s, times, atol=1e-6)
    np.testing.assert_allclose(np.stack([fixes.lon, fixes.lat]), np.stack([lon, lat]), atol=1e-12)
    # GPX 1.1 has no element for speed, so gpxpy writes none.
    np.testing.assert_allclose(fixes.speed_mps, speed if version == "1.0" else np.full(20, np.nan))
    assert clean(fixes)[1].empty
