"""Crowns are judged plot by plot, counted without bias, and seen at the card's resolution."""

from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image

from models.card import ModelCard, ObjectClass, Thresholds, TilesCard
from models.detections import Detections
from models.measures import Truth
from models.types import Runtime
from training.crown import count_threshold, crown_figures, plot_threshold
from training.judge import Judged, against, look
from training.sources.samples import Sample

LABELLED = np.ones(1, bool)


def boxes(*corners, scores=None):
    n = len(corners)
    xyxy = np.array(corners, np.float32).reshape(-1, 4)
    return Detections(xyxy, np.array(scores or [0.9] * n, np.float32), np.zeros(n, np.int16))


@pytest.fixture
def plot(tmp_path):
    """A plot of 100 × 50 px at 10 cm: 10 m × 5 m."""
    path = tmp_path / "plot.png"
    Image.fromarray(np.zeros((50, 100, 3), np.uint8)).save(path)
    there = np.array([[0, 0, 20, 20], [30, 0, 50, 20]], np.float32)
    sample = Sample(path, "plots", there, np.zeros(2, np.int16), LABELLED, above=True, gsd_m=0.1)
    return sample, Truth(there, np.zeros(2, np.int16), LABELLED)


def test_stems_cover_and_diameter_are_in_their_units(plot):
    sample, truth = plot
    seen = boxes([0, 0, 20, 20], [30, 0, 60, 30], [80, 0, 90, 10], scores=[0.9, 0.8, 0.3])
    thresholds = Thresholds(score={"crown": 0.5}, count={"crown": 0.2}, chosen="here")
    figures = crown_figures(Judged([sample], [truth], [seen]), thresholds)
    assert figures["plots"]["precision"] == pytest.approx(1.0)
    assert figures["stems"]["bias"] == pytest.approx(0.5)
    assert figures["stems"]["ha_mean_true"] == pytest.approx(2 / 0.005)
    assert figures["stems"]["ha_mae"] == pytest.approx(1 / 0.005)
    assert figures["cover_pct"]["mean_true"] == pytest.approx(100 * 2 * np.pi * 10**2 / 5000, rel=0.02)
    assert figures["diameter_m"]["mean_true"] == pytest.approx(2.0)
    assert figures["diameter_m"]["bias"] == pytest.approx((2 + 3 + 1) / 3 - 2)


def test_the_count_threshold_lets_as_many_boxes_count_as_there_are_crowns(plot):
    sample, truth = plot
    seen = boxes([0, 0, 20, 20], [60, 0, 70, 10], [80, 0, 90, 10], [0, 30, 9, 40], scores=[0.9, 0.7, 0.6, 0.5])
    judged = Judged([sample], [truth], [seen])
    at = count_threshold(judged, 0)
    assert (seen.score >= at).sum() == 2
    assert plot_threshold(judged, 0).threshold > 0.7


def test_what_lies_in_an_ignored_region_is_not_counted(plot):
    sample, truth = plot
    dark = Truth(truth.xyxy, truth.class_id, LABELLED, np.array([[28, 0, 100, 50]], np.float32))
    seen = boxes([0, 0, 20, 20], [30, 0, 50, 20], [80, 0, 90, 10], scores=[0.6, 0.9, 0.8])
    judged = Judged([sample], [dark], [seen])
    figures = crown_figures(judged, Thresholds(score={"crown": 0.5}, chosen="here"))
    assert figures["stems"]["bias"] == 0 and figures["cover_pct"]["bias"] == 0
    assert count_threshold(judged, 0) == pytest.approx(0.6)


def test_a_plot_counts_as_one_whatever_it_holds(plot):
    sample, truth = plot
    full = Truth(np.repeat(truth.xyxy[:1], 8, axis=0) + np.arange(8)[:, None] * 30, np.zeros(8, np.int16), LABELLED)
    seen = [boxes([0, 0, 20, 20], [30, 0, 50, 20]), boxes()]
    figures = crown_figures(Judged([sample, sample], [truth, full], seen), Thresholds(score={"crown": 0.5}, chosen="x"))
    assert figures["plots"]["recall"] == pytest.approx(0.5)


class BrightSquares:
    """Sees one box around everything bright, and remembers the size of what it was shown."""

    def __init__(self, card):
        self.card, self.runtime, self.shown = card, Runtime("none", "cpu", "f32", threads=1), []

    def submit(self, picture, min_score=0.01):
        self.shown.append(picture.shape[:2])
        rows, columns = np.nonzero(picture[..., 0] > 127)
        found = boxes([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) if len(rows) else boxes()
        future = Future()
        future.set_result(found)
        return future


def test_pictures_from_above_are_scaled_to_the_cards_resolution_and_back(tmp_path):
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[10:30, 20:50] = 255
    path = tmp_path / "plot.png"
    Image.fromarray(pixels).save(path)
    card = ModelCard(
        task="crown",
        name="squares",
        architecture="none",
        classes=[ObjectClass(name="crown", title_en="crown", title_ja="樹冠")],
        gsd_m=0.05,
        tiles=TilesCard(side_px=640, overlap_px=64, zoom=3),
        thresholds=Thresholds(score={"crown": 0.5}, chosen="here"),
        training=[],
        metrics={},
        limits=[],
        made_on="2026-01-01",
        sha256="0" * 64,
    )
    for gsd_m, shown in ((0.1, (120, 160)), (0.05, (60, 80)), (None, (180, 240))):
        detector = BrightSquares(card)
        nothing = np.empty((0, 4), np.float32)
        sample = Sample(path, "plots", nothing, np.empty(0, np.int16), LABELLED, above=True, gsd_m=gsd_m)
        judged = look(detector, [sample])
        assert detector.shown == [shown]
        np.testing.assert_allclose(judged.found[0].xyxy, [[20, 10, 50, 30]], atol=0.6)


def test_agreement_is_judged_by_what_the_reference_counts(plot):
    sample, truth = plot
    mine = Judged([sample], [truth], [boxes([0, 0, 20, 20])])
    theirs = Judged([sample], [truth], [boxes([60, 0, 80, 20], [0, 0, 9, 9], scores=[0.6, 0.2])])
    judged = against(mine, theirs, 0.5, ["crown"], ["crown"])
    np.testing.assert_array_equal(judged.truths[0].xyxy, [[60, 0, 80, 20]])
    assert judged.found == mine.found
