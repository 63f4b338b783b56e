"""Start the command line; beside the package, so that nothing of it is imported before Ctrl-C is provided for."""

import os

__all__ = ["main"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def main() -> None:
    """Run the command line; Ctrl-C before it is there, while its modules are imported, ends the process without a word."""
    try:
        import signal

        is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else a shell has it ignored, or a caller handles it
        if is_ours:
            # An exception would come out in the midst of any import, and some importers swallow it.
            signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        from pgmel.interfaces.cli import main as run
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
