import click
import pytest

from geo.errors import MichisoraError
from pipelines.cli import main as command


class Entry:
    name = "act"
    value = "nowhere:act"

    def __init__(self, error: BaseException | None) -> None:
        self._error = error

    def load(self) -> click.Command:
        def act() -> None:
            """Act."""
            if self._error is not None:
                raise self._error

        return click.Command("act", callback=act)


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, *arguments: str) -> int:
    monkeypatch.setattr(command, "_entries", lambda: {"act": Entry(error)})
    with pytest.raises(SystemExit) as left:
        command.main(list(arguments) or ["act"])
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MichisoraError("no fixes", where="a.gpx", remedy="Record some"), 2, "error: a.gpx: no fixes. Record some"),
        (ModuleNotFoundError("x", name="torch"), 2, "error: torch is not installed. See `michisora doctor`"),
        (
            PermissionError(13, "Permission denied", "weights/road"),
            2,
            "error: weights/road: permission denied. Name a place that you may read and write.",
        ),
        (OSError(28, "No space left on device"), 2, "error: no space left on device. Free some space."),
        (
            OSError(5, "Input/output error", "a"),
            1,
            "fault: OSError: [Errno 5] Input/output error: 'a' (--debug shows the traceback)",
        ),
        (RuntimeError("one\ntwo"), 1, "fault: RuntimeError: one two (--debug shows the traceback)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    assert run(monkeypatch, error) == code
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_debug_shows_the_traceback_wherever_it_stands_on_the_line(monkeypatch, capsys):
    assert run(monkeypatch, RuntimeError("deep"), "act", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_verb_that_ends_well_exits_with_nought(monkeypatch):
    assert run(monkeypatch, None) == 0


def test_a_misspelt_verb_names_the_one_meant(monkeypatch, capsys):
    assert run(monkeypatch, None, "atc") == 2
    assert "Did you mean 'act'?" in capsys.readouterr().err


def test_help_lists_a_verb_whose_libraries_are_absent(monkeypatch, capsys):
    entry = Entry(None)
    monkeypatch.setattr(entry, "load", lambda: __import__("no_such_library"))
    monkeypatch.setattr(command, "_entries", lambda: {"act": entry})
    with pytest.raises(SystemExit) as left:
        command.main(["--help"])
    assert left.value.code == 0
    assert "needs no_such_library" in capsys.readouterr().out


def test_the_installed_command_finds_its_verbs():
    assert {"detect", "doctor"} <= set(command.cli.list_commands(click.Context(command.cli)))
