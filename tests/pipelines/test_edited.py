"""What people edited is not overwritten; what a killed run left half-written is."""

import pytest

from pipelines.edited import admit, refuse_edited
from pipelines.errors import OutputError
from pipelines.road.job import admitting, refuse_lost_work


def test_a_product_edited_since_it_was_written_is_refused(tmp_path):
    product, known, staged = (tmp_path / name for name in ("map.gpkg", "published", "staged"))
    staged.write_bytes(b"written")
    admit(known, product, staged)
    staged.replace(product)
    refuse_edited(product, known, "Give another --out")
    product.write_bytes(b"edited")
    with pytest.raises(OutputError, match="edited since they were written"):
        refuse_edited(product, known, "Give another --out")


def test_what_a_run_killed_while_it_published_left_is_no_edit_but_what_people_did_to_it_is(tmp_path):
    product, known, staged = (tmp_path / name for name in ("map.gpkg", "published", "staged"))
    staged.write_bytes(b"the last run's")
    admit(known, product, staged)
    staged.replace(product)
    staged.write_bytes(b"the killed run's")
    admit(known, product, staged)
    refuse_edited(product, known, "Give another --out")
    product.write_bytes(b"edited")
    with pytest.raises(OutputError, match="edited since they were written"):
        refuse_edited(product, known, "Give another --out")
    with pytest.raises(OutputError, match="edited since they were written"):
        admit(known, product, staged)
    staged.replace(product)
    refuse_edited(product, known, "Give another --out")


def test_results_that_were_moved_here_may_have_been_edited(tmp_path):
    product, known = tmp_path / "map.gpkg", tmp_path / "published"
    refuse_edited(product, known, "Give another --out")
    product.write_bytes(b"from another folder")
    with pytest.raises(OutputError, match="moved here"):
        refuse_edited(product, known, "Give another --out")


@pytest.mark.parametrize("product", ["road.gpkg", "repair_list.xlsx"])
def test_what_a_road_office_fills_in_is_not_overwritten(tmp_path, product):
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    for name in ("road.gpkg", "repair_list.xlsx"):
        (tmp_path / "staged").write_bytes(name.encode())
        admitting(work)(out / name, tmp_path / "staged")
        (tmp_path / "staged").replace(out / name)
    refuse_lost_work(None, out, work)
    (out / product).write_bytes(b"filled in")
    with pytest.raises(OutputError, match="edited since they were written") as caught:
        refuse_lost_work(None, out, work)
    assert product in str(caught.value)
    assert "--out" in str(caught.value.remedy)
