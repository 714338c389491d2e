"""The `michisora` command: finds its verbs among the installed entry points and turns errors into one line."""

import difflib
import errno
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version

import click

from geo.errors import MichisoraError

__all__ = ["Verbs", "cli", "main"]

GROUP = "michisora.commands"
BAD_INPUT, FAULT, INTERRUPTED = 2, 1, 130
NOT_LET = {errno.EACCES, errno.EPERM, errno.EROFS}
FULL = {errno.ENOSPC, errno.EDQUOT}


class Verbs(click.Group):
    """A group whose commands are entry points, imported only when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the verbs installed."""
        return sorted(_entries())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb called `cmd_name`."""
        entry = _entries().get(cmd_name)
        if entry is None:
            return None
        command = entry.load()
        if not isinstance(command, click.Command):
            raise MichisoraError("the verb is no command", where=f"{entry.name} = {entry.value}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with verbs of two words, and with the verb that was perhaps meant."""
        two = " ".join(args[:2])
        if len(args) > 1 and two in _entries():
            return two, self.get_command(ctx, two), args[2:]
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from error
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs; one whose libraries are absent is listed too, with what it lacks."""
        rows = [(name, self._summary(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _summary(self, ctx: click.Context, name: str) -> str:
        try:
            command = self.get_command(ctx, name)
        except ImportError as error:
            return f"(not available: needs {error.name})"
        return command.get_short_help_str(limit=100) if command else ""


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("michisora"), prog_name="michisora")
@click.option("--debug", is_flag=True, help="Show the whole traceback of a failure.")
def cli(debug: bool) -> None:
    """Vehicle-camera drives and drone flights turned into maps that people act on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code: 0 done, 2 bad input, 1 fault, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_run(given))


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    # Wherever it stands: who sees a fault adds the option at the end of the line
    plain = [argument for argument in arguments if argument != "--debug"]
    try:
        result = cli.main(plain, prog_name="michisora", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _explain("interrupted", INTERRUPTED, debug)
    except Exception as error:  # the last place before Python would print a traceback at a road crew
        return _explain(*_told(error), debug)
    return result if isinstance(result, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """One line about a failure, and the exit code: the user's to mend, or ours."""
    if isinstance(error, MichisoraError):
        return f"error: {_one_line(error)}", BAD_INPUT
    if isinstance(error, ModuleNotFoundError):
        return f"error: {error.name} is not installed. See `michisora doctor`", BAD_INPUT
    if isinstance(error, OSError) and error.errno in NOT_LET | FULL:
        remedy = "Free some space" if error.errno in FULL else "Name a place that you may read and write"
        where = "" if error.filename is None else f"{error.filename}: "
        return f"error: {where}{(error.strerror or 'refused').lower()}. {remedy}.", BAD_INPUT
    return f"fault: {type(error).__name__}: {_one_line(error)} (--debug shows the traceback)", FAULT


def _explain(line: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    click.echo(line, err=True)
    return code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _entries() -> dict[str, EntryPoint]:
    """Verbs by name; `evaluate.forest` is the verb `evaluate forest`, of another package than `evaluate` perhaps."""
    return {entry.name.replace(".", " "): entry for entry in entry_points(group=GROUP)}
