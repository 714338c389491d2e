"""What a survey does not say, in sentences: the same in every kind of report."""

from __future__ import annotations

from pipelines.report.content import ReportContent
from pipelines.report.items import SectionItem
from pipelines.report.words import REASONS, name, say, variant

_HARDLY_SEEN_PCT = 50.0
_SHA_DIGITS = 12


def seen_share_pct(sections: list[SectionItem]) -> float | None:
    """The mean share of the sections' surface that was seen, %, by their lengths; None where it is unknown."""
    lengths = [_length_m(section) for section in sections]
    total = sum(lengths)
    if total <= 0:
        return None
    return sum(m * (s.coverage_pct or 0.0) for m, s in zip(lengths, sections, strict=True)) / total


def limits_of(content: ReportContent, sections: list[SectionItem], lang: str) -> list[str]:
    """The limits of this survey, one sentence each."""
    above = content.summary.from_above
    squares = [say("limit_squares", lang)] if above and any(not section.link for section in sections) else []
    return [
        say("limit_depth", lang),
        say(variant("limit_size", above=above), lang),
        _position(content, lang),
        *(squares or [_coverage(sections, lang)]),
        rejected(content, lang),
        say("limit_privacy", lang),
    ]


def rejected(content: ReportContent, lang: str) -> str:
    """How many frames and fixes were left out, and why."""
    counts = {code: n for code, n in content.summary.rejected.items() if n}
    if not counts:
        return say(variant("limit_rejected_none", above=content.summary.from_above), lang)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    joint = "、" if lang == "ja" else ", "
    return say(
        variant("limit_rejected", above=content.summary.from_above),
        lang,
        n=sum(counts.values()),
        what=joint.join(f"{name(REASONS, code, lang)} {n}" for code, n in ordered),
    )


def made_by(content: ReportContent, lang: str) -> str:
    """Model, weights and command that the report comes from."""
    source = content.provenance
    return say("made_by", lang, model=source.model, sha=source.sha256[:_SHA_DIGITS], version=source.version)


def _position(content: ReportContent, lang: str) -> str:
    if not content.summary.from_above:
        return say("limit_position", lang)
    return say("limit_position_above", lang, sd=f"{content.summary.place_sd_m:g}")


def _coverage(sections: list[SectionItem], lang: str) -> str:
    seen = seen_share_pct(sections)
    if seen is None:
        return say("limit_no_sections", lang)
    hardly = sum((section.coverage_pct or 0.0) < _HARDLY_SEEN_PCT for section in sections)
    length_km = sum(map(_length_m, sections)) / 1000
    return say("limit_coverage", lang, km=f"{length_km:.1f}", seen=f"{seen:.0f}", unseen=hardly)


def _length_m(section: SectionItem) -> float:
    return 0.0 if section.from_m is None or section.to_m is None else section.to_m - section.from_m
