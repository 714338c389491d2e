"""A data set is fetched whole and checked, or not at all; what a mirror has is never fetched."""

import hashlib
import io
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from training.cli import fetch as verb
from training.errors import FetchError, SourceError
from training.fetch import DOWNLOADS, RECEIPTS, fetch
from training.sources.catalogue import Source, read_catalogue, read_mirror
from training.sources.samples import Sets
from training.unpack import Caps, unpack

CAPS = Caps(total_bytes=1 << 20, files=10)


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def server():
    """Serves `files` (path → bytes) on localhost and notes what was asked for; `.cut` is broken off half-way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            content = self.server.files.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            cut = self.path in self.server.broken
            self.wfile.write((content or b"")[: len(content) // 2 if cut else None])

        def log_message(self, *_):
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.files, served.asked, served.broken = {}, [], set()
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def sets(tmp_path, server, *archives, mirror=None, **more):
    address = f"http://127.0.0.1:{server.server_address[1]}"
    entry = {"title": "a", "licence": "CC0-1.0", "url": "https://example.org", "layout": "yolo", "path": "road/ours"}
    listed = [{"url": f"{address}/{name}", "sha256": digest, "into": "road"} for name, digest in archives]
    whole = {**entry, "classes": {"0": "D40"}, "labels": ["D40"], "archives": listed, **more}
    return Sets({"ours": Source.model_validate(whole)}, tmp_path / "data", mirror)


ONE = zipped(**{"ours/train/images/a.txt": "picture"})
TWO = zipped(**{"labels/a.txt": "label"})


def test_a_set_is_downloaded_checked_and_unpacked_once(tmp_path, server):
    server.files = {"/one.zip?x=1": ONE, "/two.zip": TWO}
    known = sets(tmp_path, server, ("one.zip?x=1", hashlib.sha256(ONE).hexdigest()), ("two.zip", None))
    seen = []
    got = fetch("ours", known, CAPS, lambda done, total: seen.append((done, total)))
    assert (got.how, got.folder) == ("fetched", tmp_path / "data" / "road" / "ours")
    assert (got.folder / "train" / "images" / "a.txt").read_text(encoding="utf-8") == "picture"
    assert got.unpinned == {"two.zip": hashlib.sha256(TWO).hexdigest()}
    assert (len(ONE), len(ONE)) in seen and list((tmp_path / "data" / DOWNLOADS).iterdir()) == []
    assert fetch("ours", known, CAPS).how == "there" and len(server.asked) == 2


def test_a_run_stopped_between_archives_goes_on_with_the_missing_one(tmp_path, server):
    server.files = {"/one.zip": ONE}
    known = sets(tmp_path, server, ("one.zip", None), ("two.zip", None))
    with pytest.raises(FetchError, match=r"two\.zip: cannot be fetched \(404"):
        fetch("ours", known, CAPS)
    server.files["/two.zip"] = TWO
    assert fetch("ours", known, CAPS).how == "fetched"
    assert server.asked == ["/one.zip", "/two.zip", "/two.zip"]
    assert (tmp_path / "data" / "road" / "labels" / "a.txt").exists()


@pytest.mark.parametrize("digest", [None, hashlib.sha256(ONE).hexdigest()])
def test_a_connection_cut_half_way_leaves_nothing(tmp_path, server, digest):
    server.files, server.broken = {"/one.zip": ONE}, {"/one.zip"}
    with pytest.raises(FetchError, match="cannot be fetched") as error:
        fetch("ours", sets(tmp_path, server, ("one.zip", digest)), CAPS)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data" / "road").exists() and list((tmp_path / "data" / DOWNLOADS).iterdir()) == []


def test_no_connection_is_said_in_a_few_words(tmp_path, server):
    known = sets(tmp_path, server, archives=[{"url": "http://127.0.0.1:9/one.zip", "into": "road"}])
    with pytest.raises(FetchError, match=r"cannot be fetched \(no connection to 127\.0\.0\.1\)\. See the connection"):
        fetch("ours", known, CAPS)


def test_another_file_than_the_catalogue_s_is_refused(tmp_path, server):
    server.files = {"/one.zip": ONE}
    with pytest.raises(FetchError, match="sha256"):
        fetch("ours", sets(tmp_path, server, ("one.zip", "0" * 64)), CAPS)
    assert not (tmp_path / "data" / "road").exists()


def test_a_set_in_the_mirror_is_used_in_place(tmp_path, server):
    picture = put(tmp_path / "mirror" / "road" / "ours" / "train" / "images" / "a.png", b"")
    known = sets(tmp_path, server, ("one.zip", None), mirror=tmp_path / "mirror")
    got = fetch("ours", known, CAPS)
    assert (got.how, got.folder) == ("mirror", picture.parent.parent.parent)
    assert got.lacking == ("val/images",)
    assert not (tmp_path / "data").exists() and server.asked == []


def test_a_folder_in_the_mirror_without_its_pictures_is_no_set(tmp_path, server):
    put(tmp_path / "mirror" / "road" / "ours" / "LICENSE", b"")
    server.files = {"/one.zip": ONE}
    by_hand = sets(tmp_path, server, mirror=tmp_path / "mirror")
    with pytest.raises(FetchError, match=r"road/ours has no train/images, val/images; ours has to be got by hand"):
        fetch("ours", by_hand, CAPS)
    assert fetch("ours", sets(tmp_path, server, ("one.zip", None), mirror=tmp_path / "mirror"), CAPS).how == "fetched"


def test_an_archive_in_the_mirror_needs_no_network(tmp_path, server):
    kept = put(tmp_path / "mirror" / "one.zip", ONE)
    digest = hashlib.sha256(ONE).hexdigest()
    known = sets(tmp_path, server, ("one.zip", digest), mirror=tmp_path / "mirror")
    assert fetch("ours", known, CAPS).how == "fetched"
    assert server.asked == [] and kept.exists() and (tmp_path / "data" / RECEIPTS / "ours.yaml").exists()


def test_a_false_archive_in_the_mirror_is_refused(tmp_path, server):
    put(tmp_path / "mirror" / "road" / "one.zip", TWO)
    with pytest.raises(FetchError, match="not the one of the catalogue"):
        fetch("ours", sets(tmp_path, server, ("one.zip", "0" * 64), mirror=tmp_path / "mirror"), CAPS)


def test_a_set_that_needs_an_account_says_where_to_go_and_where_to_put_it(tmp_path):
    with pytest.raises(FetchError) as error:
        fetch("mapillary_vistas", Sets(read_catalogue(), tmp_path), CAPS)
    text = str(error.value)
    assert "mapillary.com" in text and "register" in text and str(tmp_path / "road" / "mapillary_vistas") in text


def test_a_name_that_is_none_is_told_without_what_only_training_needs(monkeypatch):
    monkeypatch.delitem(sys.modules, "training.fetch")
    for absent in ("pooch", "torch"):
        monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(SourceError, match=r"no data set is called 'nosuch'\. Known: aerial_people, .*dnit"):
        CliRunner().invoke(verb, ["nosuch"], catch_exceptions=False)


def test_the_verb_fetches_the_others_and_says_what_is_missing(tmp_path, server):
    server.files = {"/one.zip": ONE}
    address = f"http://127.0.0.1:{server.server_address[1]}/one.zip"
    own = put(tmp_path / "own.yaml", b"")
    entry = (
        "{title: Ours, licence: CC0-1.0, url: none, layout: yolo, path: road/ours, classes: {a: D40}, labels: [D40],"
    )
    own.write_text(f"ours: {entry} archives: [{{url: '{address}', into: road}}]}}\nmirror: kept\n", encoding="utf-8")
    assert read_mirror(own) == tmp_path / "kept" and "mirror" not in read_catalogue(own)
    options = ["--data", str(tmp_path / "data"), "--catalogue", str(own)]
    result = CliRunner().invoke(verb, ["crowdhuman", "ours", *options])
    assert isinstance(result.exception, FetchError) and "1 of 2 are not there: crowdhuman" in str(result.exception)
    assert "ours fetched:" in result.output and hashlib.sha256(ONE).hexdigest() in result.output
    assert "ours is there" in CliRunner().invoke(verb, ["ours", *options]).output
    assert "mot17: MOT17. CC BY-NC-SA 3.0" in CliRunner().invoke(verb, options).output


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(info, target)
    return buffer.getvalue()


def tarred(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            info.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(**{"../out.txt": "x"}), "path out of its folder"),
        (zipped(**{"/etc/out.txt": "x"}), "path out of its folder"),
        (zipped(**{"a\\..\\out.txt": "x"}), "path out of its folder"),
        (link("a", "/etc/passwd"), "holds a link"),
        (tarred(("../out.txt", b"x", tarfile.REGTYPE)), "path out of its folder"),
        (tarred(("a", b"", tarfile.SYMTYPE)), "link or device"),
        (tarred(("a", bytes(2 << 20), tarfile.REGTYPE)), "more than"),
        (zipped(a=bytes(2 << 20)), "more than"),
        (zipped(**{f"f{number}": "x" for number in range(11)}), "more than 10 files"),
        (b"<html>moved</html>", "no ZIP or TAR"),
        (ONE[:-30], r"no ZIP or TAR|cannot be unpacked"),
        (tarred(("a", b"x" * 5000, tarfile.REGTYPE))[:-20], "cannot be unpacked"),
    ],
)
def test_an_archive_that_cannot_be_trusted_leaves_nothing(tmp_path, content, words):
    archive = put(tmp_path / "in" / "archive", content)
    with pytest.raises(FetchError, match=words):
        unpack(archive, tmp_path / "out" / "set", CAPS)
    assert [one for one in (tmp_path / "out").rglob("*") if one.is_file()] == [] and len(list(tmp_path.iterdir())) == 2


def test_a_zip_of_broken_data_is_one_line(tmp_path):
    content = bytearray(zipped(a=bytes(range(256)) * 400))
    at = content.index(b"PK\x03\x04") + 40
    content[at : at + 20] = b"\xff" * 20
    with pytest.raises(FetchError, match=r"cannot be unpacked.*fetch the archive again"):
        unpack(put(tmp_path / "archive", bytes(content)), tmp_path / "out", CAPS)


def test_a_zip_that_lies_about_its_size_is_stopped(tmp_path):
    content = bytearray(zipped(a=bytes(2 << 20)))
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = content.index(mark) + offset
        content[at : at + 4] = (100).to_bytes(4, "little")
    with pytest.raises(FetchError, match=r"more than|cannot be unpacked"):
        unpack(put(tmp_path / "archive", bytes(content)), tmp_path / "out", CAPS)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path):
    mine = put(tmp_path / "out" / "ours" / "note.txt", b"mine")
    with pytest.raises(FetchError, match="there already"):
        unpack(put(tmp_path / "archive", ONE), tmp_path / "out", CAPS)
    assert mine.read_bytes() == b"mine" and list((tmp_path / "out").iterdir()) == [mine.parent]


def test_a_tar_gives_its_files_and_rubbish_stays_behind(tmp_path):
    content = tarred(("ours/a.txt", b"x", tarfile.REGTYPE), ("__MACOSX/b", b"y", tarfile.REGTYPE))
    assert unpack(put(tmp_path / "archive", content), tmp_path / "out", CAPS) == [tmp_path / "out" / "ours"]
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["ours"]
