"""Signals of a terminal, heard whatever started the tests."""

import signal


def hear_the_terminal() -> None:
    """Stop ignoring Ctrl-C and the end of a terminal.

    A shell in the background has the one ignored and ``nohup`` the other. Processes that tests
    start inherit that, and would ignore what a test sends them.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
