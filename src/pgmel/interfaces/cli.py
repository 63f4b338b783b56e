"""The command line: commands translate arguments into calls and results into text; errors end in a message and an exit code."""

import logging
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from pgmel.errors import PgmelError
from pgmel.progress import message_console
from pgmel.version import __version__

__all__ = ["app", "main"]

# Before torch is imported: threads that spin while they wait slow a shared machine down tenfold.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "8")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

EXIT_CODES = """Exit codes: 0 done; 1 output cannot be written, or an unexpected fault (a bug: please report it with --debug); 2 wrong
settings or usage; 3 faulty data; 4 damaged or unfitting knowledge base, index, bundle or checkpoint; 5 missing encoder or package;
130 interrupted (run again to go on)."""


class _Commands(TyperGroup):
    """Commands that say what to do after Ctrl-C; typer by itself would leave without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say(
                "interrupted; run the same command again: what was encoded is kept, and trainings and linked files go on where they stopped"
            )
            raise typer.Exit(130) from None


app = typer.Typer(
    name="pgmel",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Link mentions in text with pictures to the entities of a knowledge base.",
    epilog=EXIT_CODES,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pgmel {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and detailed messages.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and errors only.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")] = False,  # noqa: ARG001
) -> None:
    """Set up messages; all of them go to standard error, results to standard output."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    handler = _Messages()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s" if debug else "%(message)s"))
    logger = logging.getLogger("pgmel")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _Messages(logging.Handler):
    """Print messages through rich, so that they do not tear a running progress bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        message_console().print(self.format(record), style=style, markup=False, highlight=False, soft_wrap=True)


def _register() -> None:
    from pgmel.interfaces.commands import (
        calibrate,
        compare,
        data,
        evaluate,
        hub,
        index,
        kb,
        link,
        quickstart,
        report,
        serve,
        settings,
        train,
    )

    app.command("quickstart", epilog="Example: pgmel quickstart --out runs/quickstart")(quickstart.quickstart)
    app.add_typer(data.app, name="data")
    app.command("train", epilog=train.EPILOG)(train.train)
    app.command("evaluate", epilog=evaluate.EPILOG)(evaluate.evaluate)
    app.command("calibrate", epilog=calibrate.EPILOG)(calibrate.calibrate)
    app.command("compare", epilog=compare.EPILOG)(compare.compare)
    app.command("report", epilog=report.EPILOG)(report.report)
    app.command("index", epilog=index.EPILOG)(index.index)
    app.add_typer(kb.app, name="kb")
    app.command("link", epilog=link.EPILOG)(link.link)
    app.add_typer(hub.app, name="hub")
    app.command("serve", epilog=serve.EPILOG)(serve.serve)
    app.command("settings", epilog="Example: pgmel settings training")(settings.settings)


_register()


def main() -> None:
    """Run the command line; leave with the code that the error, if any, carries."""
    if "--debug" in sys.argv[1:]:  # people put it behind the command, too
        sys.argv[1:] = ["--debug", *(argument for argument in sys.argv[1:] if argument != "--debug")]
    try:
        app()
    except PgmelError as error:
        _fail(f"[bold red]Error:[/bold red] {escape(str(error))}", error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except OSError as error:
        # A full disk, a missing permission, a folder that is a file: the user's to cure, and no bug.
        _fail(f"[bold red]Error:[/bold red] {escape(f'{error.filename}: {error.strerror}' if error.filename else str(error))}", 1)
    except Exception as error:
        _fail(
            f"[bold red]Unexpected fault:[/bold red] {escape(type(error).__name__)}: {escape(str(error))}\n"
            "This is a bug in pgmel. Run the command again with --debug (pgmel --debug COMMAND ...) and report what it prints.",
            1,
        )


def _fail(message: str, code: int) -> None:
    if "--debug" in sys.argv:
        traceback.print_exc()
    _say(message)
    sys.exit(code)


def _say(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(message, highlight=False)
