"""Weights taught on what may not be given away stay in the house, and the reason is one line."""

import pytest

from models.card import TrainingSource, load_card
from models.detector import model_folder
from training.errors import LicenceError
from training.sources.catalogue import read_catalogue
from training.sources.licences import refuse_unshippable, refuse_unshippable_training, why_not

CATALOGUE = read_catalogue()


@pytest.mark.parametrize(
    "licence", ["MIT", "CC0-1.0", "CC BY 4.0", "CC-BY-SA-4.0", "cc by-sa 4.0", "AGPL-3.0-or-later"]
)
def test_free_licences_let_weights_be_given_away(licence):
    assert why_not(licence) is None


@pytest.mark.parametrize(
    ("licence", "words"),
    [
        ("CC BY-NC-SA 4.0", "does not permit"),
        ("CC BY-ND 4.0", "does not permit"),
        ("non-commercial research and education only", "does not permit"),
        ("none stated, given for research", "does not permit"),
        ("", "no licence is stated"),
        ("ask the mayor", "not known to permit"),
    ],
)
def test_all_others_do_not(licence, words):
    assert words in why_not(licence)


def test_the_owner_s_word_goes_before_the_licence_s_name():
    assert why_not("ask the mayor", may_ship=True) is None
    assert why_not("MIT", may_ship=False)


def test_what_the_built_in_entries_allow():
    kept = {name for name, one in CATALOGUE.items() if why_not(one.licence, one.may_ship)}
    assert kept == {"visdrone", "crowdhuman", "mot17", "mapillary_vistas", "oam_tcd_nc"}


def test_a_recipe_with_one_such_set_is_refused_in_one_line():
    refuse_unshippable([("dnit", CATALOGUE["dnit"])])
    with pytest.raises(LicenceError, match=r"weights taught on mot17 .* \(CC BY-NC-SA 3.0\)") as error:
        refuse_unshippable([("dnit", CATALOGUE["dnit"]), ("mot17", CATALOGUE["mot17"])])
    assert "\n" not in str(error.value) and "--private" in str(error.value)


def test_a_card_tells_on_the_model_whatever_it_was_exported_with():
    card = load_card(model_folder("road"))
    refuse_unshippable_training(card.training, CATALOGUE.values())
    mot = CATALOGUE["mot17"]
    added = TrainingSource(name=mot.title, licence=mot.licence, source=mot.url, n=1)
    tainted = card.model_copy(update={"training": [*card.training, added]})
    with pytest.raises(LicenceError, match="MOT17"):
        refuse_unshippable_training(tainted.training, CATALOGUE.values())
    permitted = mot.model_copy(update={"may_ship": True})
    refuse_unshippable_training(tainted.training, [permitted])
