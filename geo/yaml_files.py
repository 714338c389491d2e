"""YAML that people write: parameters, manifests, recipes, catalogues. What is wrong with one is said in a line."""

from pathlib import Path

import yaml

from geo.errors import MichisoraError

__all__ = ["read_yaml"]


def read_yaml(path: Path, what: str, failure: type[MichisoraError]) -> object:
    """What a YAML file says.

    Args:
        path: the file.
        what: what it is called in messages.
        failure: the error to raise.

    Raises:
        MichisoraError: of the type `failure`: it cannot be read, is no YAML, or holds a date that does not exist.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise failure(f"the {what} cannot be read: {error.strerror or error}", where=path) from error
    except UnicodeDecodeError as error:
        raise failure(f"the {what} cannot be read: it is not in UTF-8", where=path) from error
    except yaml.YAMLError as error:
        raise failure(f"not valid YAML ({_fault(error)})", where=path, remedy=_PUNCTUATION) from error
    except ValueError as error:
        # PyYAML makes dates of what looks like one, and says no more than what is wrong with it.
        raise failure(f"the {what} holds a value that cannot be ({error})", where=path, remedy=_DATES) from error


_PUNCTUATION = "Check the indentation and the colons"
_DATES = "Check the dates and times, or put quotes around what is none"


def _fault(error: yaml.YAMLError) -> str:
    """The fault, and in which line it is."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark is not None:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0]
