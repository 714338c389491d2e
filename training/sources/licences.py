"""Which licences let weights taught on a data set be given away.

Not legal advice: a list of licences that permit copies and derived works for any purpose, commercial ones included,
and a refusal of all others. Whoever knows more of a set says so in its entry (`may_ship`).
"""

import re
from collections.abc import Iterable

from models.card import TrainingSource
from training.errors import LicenceError
from training.sources.catalogue import Source

__all__ = ["refuse_unshippable", "refuse_unshippable_training", "why_not"]

FREE = {
    *("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "PDDL-1.0", "ODC-BY-1.0", "ODBL-1.0"),
    *("CDLA-PERMISSIVE-1.0", "CDLA-PERMISSIVE-2.0", "MIT", "APACHE-2.0", "BSD-2-CLAUSE", "BSD-3-CLAUSE", "BSD-2"),
    *("AGPL-3.0-OR-LATER", "AGPL-3.0", "GPL-3.0-OR-LATER", "GPL-3.0", "PUBLIC-DOMAIN", "CC0", "ODBL"),
}
NAMES_IT = "Say `may_ship: true` in its entry of your catalogue if its owner permits it, or export with --private."


def why_not(licence: str, may_ship: bool | None = None) -> str | None:
    """Why weights taught under this licence may not be given away; None where they may.

    Args:
        licence: as the catalogue or a card writes it ("CC BY-SA 4.0" and "CC-BY-SA-4.0" are one).
        may_ship: what the catalogue's entry says, which goes before the licence's name.
    """
    if may_ship is not None:
        return None if may_ship else f"its terms do not permit it ({licence.strip() or 'no licence stated'})"
    name = re.sub(r"[\s_-]+", "-", licence.strip()).upper()
    if not name:
        return "no licence is stated"
    if re.search(r"(^|-)N[CD](-|$)|NON-?COMMERCIAL|RESEARCH|NO-?DERIV", name):
        return f"its licence does not permit it ({licence})"
    return None if name in FREE else f"its licence is not known to permit it ({licence})"


def refuse_unshippable(sources: Iterable[tuple[str, Source]]) -> None:
    """Refuse data sets whose licence does not let weights taught on them be given away.

    Args:
        sources: name and entry of each data set learned from.

    Raises:
        LicenceError: naming the first such set and the reason.
    """
    for name, source in sources:
        reason = why_not(source.licence, source.may_ship)
        if reason is not None:
            raise LicenceError(f"weights taught on {name} may not be given away: {reason}", remedy=NAMES_IT)


def refuse_unshippable_training(training: Iterable[TrainingSource], known: Iterable[Source]) -> None:
    """Refuse a model whose card names a data set of that kind, whatever it was exported with.

    Args:
        training: what the card says the model was taught on.
        known: entries of the catalogue; one of the same title and licence speaks for the card's.

    Raises:
        LicenceError: naming the first such set and the reason.
    """
    said = {(one.title, one.licence): one.may_ship for one in known}
    for one in training:
        reason = why_not(one.licence, said.get((one.name, one.licence)))
        if reason is not None:
            raise LicenceError(f"weights taught on {one.name} may not be given away: {reason}", remedy=NAMES_IT)
