"""The entry point. Loading the application takes a moment; Ctrl-C in it is answered as it is later."""

import sys

from gearscope.cli.exits import say_interrupted


def run() -> None:
    """Load the application and run it."""
    try:
        from gearscope.cli.main import run as run_application

        run_application()
    except KeyboardInterrupt:
        sys.exit(say_interrupted())
