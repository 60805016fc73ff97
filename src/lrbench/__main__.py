"""``lrbench``, and ``python -m lrbench``."""

import signal


def main() -> None:
    """Entry point of the console script."""
    # Until a command begins nothing has been done, and Ctrl-C ends the process without more ado.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lrbench.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
