"""Files that are there whole or not at all, and what killed runs leave of them."""

import os
import re
import signal
import subprocess
import sys
from xml.etree.ElementTree import fromstring

from geo.leftovers import part_of
from pipelines.files import as_text, ready_to_write, replacing

_KILLED = """
import os, sys
from pathlib import Path
from pipelines.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    part.with_name(part.name + "-journal").write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


def _killed(path):
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(path.parent.glob(f".{path.name}.*.part*"))) == 2


def test_what_a_killed_run_left_is_removed_when_the_next_one_writes(tmp_path):
    product = tmp_path / "out" / "forest.zip"
    _killed(product)
    with replacing(product) as part:
        part.write_bytes(b"whole")
    assert list(product.parent.iterdir()) == [product]


def test_what_a_killed_run_left_is_removed_before_the_work_and_nothing_else_is(tmp_path):
    product = tmp_path / "out" / "forest.zip"
    _killed(product)
    (left, *_) = (tmp_path / "out").glob(".*.part")
    elsewhere = re.sub(r"\.[0-9a-f]{6}\.", ".another.", left.name)
    others = {"forest.zip.part", ".hidden", part_of(tmp_path / "other").name, ".forest.zip.part", elsewhere}
    for name in others:
        (tmp_path / "out" / name).write_bytes(b"theirs")
    ready_to_write(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == others


def test_a_path_as_text_can_stand_in_any_file_and_is_told_from_any_other():
    paths = [os.fsdecode(b"ab\xe9.tif"), r"ab\xe9.tif", "a\x08b.tif", r"a\x08b.tif", "a\nb.tif", "森.tif"]
    texts = [as_text(path) for path in paths]
    assert texts == [r"ab\xe9.tif", r"ab\\xe9.tif", r"a\x08b.tif", r"a\\x08b.tif", r"a\x0ab.tif", "森.tif"]
    for text in texts:
        assert fromstring(f"<a>{text.encode().decode()}</a>").text == text
