"""Figures say what a hand count says, and thresholds are chosen as the card claims."""

import numpy as np
import pytest
from PIL import Image

from models.card import Thresholds
from models.detections import Detections
from models.measures import Truth
from training.errors import SourceError
from training.evaluate import as_text, figures_of, refuse_unmeasured
from training.judge import Judged, against, choose_threshold, class_figures, rounded
from training.recipe import PictureDemand
from training.road import crack_ratio, crack_ratio_error, merge_cracks, with_types_by_shape
from training.sources.catalogue import RoadView, Source
from training.sources.samples import Sample

CLASSES = ["D00", "D10", "D20", "D40", "crack"]
THRESHOLDS = dict.fromkeys(CLASSES, 0.5)
SOURCE = {
    "title": "a",
    "licence": "b",
    "url": "c",
    "layout": "yolo",
    "path": "d",
    "classes": {"1": "D40", "0": "crack"},
}
SOURCE = {**SOURCE, "labels": ["D40", "crack"], "masks": {"crack": "masks/crack", "lane": "masks/lane"}}
A, B = (0, 0, 64, 64), (128, 0, 192, 64)


def detections(*rows):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([row[2] for row in rows]), np.array([CLASSES.index(row[1]) for row in rows]))


def truth(*rows, labelled=(False, False, False, True, True)):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Truth(boxes, np.array([CLASSES.index(row[1]) for row in rows], np.int16), np.array(labelled))


def sample(path, one):
    return Sample(path, "a", one.xyxy, one.class_id, one.labelled)


@pytest.fixture
def masked(tmp_path):
    """One picture of 320 × 320: the lane is its left half, the mask marks two cells of it, a box covers one."""
    crack, lane = np.zeros((320, 320), bool), np.zeros((320, 320), bool)
    crack[10:14, 10:14], crack[10:14, 42:46] = True, True
    lane[:, :160] = True
    for name, mask in (("crack", crack), ("lane", lane)):
        (tmp_path / "masks" / name).mkdir(parents=True)
        Image.fromarray(mask).save(tmp_path / "masks" / name / "p.png")
    one = truth(((8, 8, 48, 16), "crack"), (B, "D40"))
    seen = detections(((0, 0, 32, 32), "crack", 0.9), ((0, 96, 96, 160), "crack", 0.4), (B, "D40", 0.9))
    return Judged([sample(tmp_path / "images" / "p.png", one)], [one], [seen])


def test_a_crack_seen_as_two_types_is_one_crack():
    one = truth((A, "crack"), (B, "D40"))
    judged = Judged([], [one], [detections((A, "D20", 0.9), (A, "crack", 0.6), (B, "D40", 0.9))])
    merged = merge_cracks(judged, CLASSES)
    assert merged.found[0].score.tolist() == pytest.approx([0.9])
    assert merged.truths[0].class_id.tolist() == [0] and merged.truths[0].labelled.tolist() == [True]


def test_crack_ratio_counts_cells_of_the_lane():
    lane = np.zeros((4, 5), bool)
    lane[:, :2] = True
    cracked = np.zeros((4, 5), bool)
    cracked[0, 0] = cracked[3, 4] = True
    assert crack_ratio(cracked, lane) == pytest.approx(12.5)
    assert np.isnan(crack_ratio(cracked, np.zeros_like(lane)))


def test_crack_ratio_error_compares_boxes_with_the_mask(masked):
    # Two of 50 lane cells are cracked, the box that counts covers one: 4 % against 2 %.
    figures = crack_ratio_error(masked, THRESHOLDS, Source.model_validate(SOURCE))
    assert (figures["mean_true_pct"], figures["bias_pct"], figures["mae_pct"]) == pytest.approx((4, -2, 2))
    wider = crack_ratio_error(masked, {**THRESHOLDS, "crack": 0.3}, Source.model_validate(SOURCE))
    assert wider["bias_pct"] == pytest.approx(10)


def test_classes_that_nobody_labelled_have_no_figures(masked):
    figures = class_figures(masked, THRESHOLDS)
    assert set(figures["classes"]) == {"D40", "crack"}
    assert figures["classes"]["D40"]["ap50"] == pytest.approx(1)
    assert figures["classes"]["crack"]["ap50"] == 0
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.5, 0.5, 0.5)


def test_types_are_judged_by_the_shape_of_masks_where_people_drew_none(tmp_path):
    view = RoadView(height_m=2, horizon=0, focal=1)
    mask = np.zeros((320, 320), bool)
    mask[160:300, 100:104] = True  # a line that runs ahead, 2.1 to 4 m away
    mask[200:300, 200:310] = True  # an area
    mask[310:312, 20:22] = True  # too little to tell
    (tmp_path / "masks/crack").mkdir(parents=True)
    Image.fromarray(mask).save(tmp_path / "masks/crack/p.png")
    (tmp_path / "masks/lane").mkdir()
    Image.fromarray(np.ones_like(mask)).save(tmp_path / "masks/lane/p.png")
    line, area, speck = (98, 158, 106, 302), (200, 200, 310, 300), (18, 308, 24, 314)
    one = truth((line, "crack"), (area, "crack"), (speck, "crack"), (B, "D40"))
    path = tmp_path / "images/p.png"
    crop = Sample(
        path, "a", one.xyxy, one.class_id, one.labelled, road_view=view, masks={"crack": tmp_path / "masks/crack/p.png"}
    )
    seen = detections(
        (area, "D20", 0.9), (line, "D10", 0.8), (line, "crack", 0.9), (speck, "D00", 0.7), (B, "D20", 0.3)
    )
    shaped = with_types_by_shape(Judged([crop], [one], [seen]), CLASSES)
    assert [CLASSES[one] for one in shaped.truths[0].class_id] == ["D00", "D20"]
    figures = figures_of(
        Judged([crop], [one], [seen]), Thresholds(score=THRESHOLDS, chosen="-"), Source.model_validate(SOURCE)
    )
    assert set(figures["types_by_shape"]) == {"D00", "D20"}
    assert figures["types_by_shape"]["D20"] == {
        "n": 1,
        "ap50": pytest.approx(1.0, abs=0.01),
        "precision": 1.0,
        "recall": 1.0,
    }
    assert figures["types_by_shape"]["D00"]["recall"] == 0  # the one box of D00 lies where nothing is clear
    said = next(line for line in as_text("a", figures).splitlines() if "types" in line)
    assert said.startswith("  types by shape: D00: n 1, ap50 ") and "; D20: n 1, ap50 1.000, precision 1.000" in said


def test_a_set_that_does_not_say_how_it_sees_the_road_has_no_shapes(masked):
    assert not with_types_by_shape(masked, CLASSES).samples


def test_the_table_is_printable_and_holds_no_nan(masked):
    figures = rounded(figures_of(masked, Thresholds(score=THRESHOLDS, chosen="here"), Source.model_validate(SOURCE)))
    text = as_text("a", figures)
    assert "D40" in text and "crack ratio" in text and "nan" not in text
    assert figures["pothole_pictures"]["recall"] == 1


def test_potholes_are_counted_on_pictures_that_label_them_and_outside_ignored_regions(masked):
    silent = truth(labelled=(True, False, False, False, False))
    dark = Truth(*(getattr(truth((A, "D40")), name) for name in ("xyxy", "class_id", "labelled")), np.array([B]))
    seen = [detections((A, "D40", 0.9)), detections((A, "D40", 0.9), (B, "D40", 0.9))]
    judged = Judged(masked.samples * 3, [*masked.truths, silent, dark], [*masked.found, *seen])
    source = Source.model_validate({**SOURCE, "masks": {}})
    assert (
        figures_of(judged, Thresholds(score=THRESHOLDS, chosen="here"), source)["pothole_pictures"]["count_bias"] == 0
    )


def test_the_threshold_has_the_highest_f1_unless_pictures_demand_more():
    # Picture 2 shows none, yet scores 0.6 there: F1 is highest at 0.5, pictures are told best above 0.6.
    truths = [truth((A, "D40"), (B, "D40")), truth(), truth((A, "D40"))]
    found = [
        detections((A, "D40", 0.9), (B, "D40", 0.5)),
        detections((A, "D40", 0.6)),
        detections((A, "D40", 0.8)),
    ]
    judged = Judged([], truths, found)
    assert choose_threshold(judged, 3).threshold == pytest.approx(0.5)
    demand = PictureDemand(precision=0.8, recall=0.9)
    assert choose_threshold(judged, 3, demand).threshold == pytest.approx(0.8)
    impossible = PictureDemand(precision=1, recall=1)
    wrong = [detections((B, "D40", 0.9)), detections((A, "D40", 0.95)), detections((A, "D40", 0.3))]
    only_false = Judged([], truths, wrong)
    assert choose_threshold(only_false, 3, impossible) == choose_threshold(only_false, 3)


def test_another_model_is_a_reference_by_the_names_of_its_classes():
    seen = detections((A, "D40", 0.9), (B, "crack", 0.9))
    empty = truth()
    judged = Judged([sample("p.png", empty)], [empty], [seen])
    boxes = np.array([A, B, A], np.float32)
    reference = Judged(judged.samples, [empty], [Detections(boxes, np.array([0.9, 0.1, 0.9]), np.array([1, 1, 0]))])
    (one,) = against(judged, reference, 0.25, CLASSES, ["person", "D40"]).truths
    assert one.class_id.tolist() == [CLASSES.index("D40")] and one.xyxy.tolist() == [list(A)]
    assert one.labelled.tolist() == [False, False, False, True, False]


def test_a_set_that_labels_no_class_of_the_model_is_refused():
    known, strange = truth(), truth(labelled=[False] * 5)
    refuse_unmeasured({"ours": Judged([], [strange, known], [])}, CLASSES)
    with pytest.raises(SourceError, match=r"quay tells nothing of the classes that the model knows \(D00, .*crack\)"):
        refuse_unmeasured({"quay": Judged([], [strange], [])}, CLASSES)


def test_nothing_found_chooses_nothing():
    assert choose_threshold(Judged([], [truth((A, "D40"))], [detections()]), 3) is None
