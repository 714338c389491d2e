"""Pages in HTML: the template engine as every page wants it, and words in each language side by side."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


def environment(package: str) -> Environment:
    """Templates of a package. Whatever a survey is called, it is text: everything that is printed is escaped."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def resource(package: str, name: str) -> str:
    """A file that lies beside a package's templates."""
    return (files(package) / "templates" / name).read_text(encoding="utf-8")


def policy_hash(script: str) -> str:
    """What a page's security policy calls a script that it holds: the SHA-256 of its text in base64."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def spans(languages: tuple[str, ...], texts: Mapping[str, object]) -> Markup:
    """One span a language; the page's style shows one of them."""
    return Markup("").join(Markup('<span lang="{}">{}</span>').format(lang, escape(texts[lang])) for lang in languages)
