"""Says after the tests of the pages what was run and what was not, with the reasons."""

from collections import Counter

import pytest
from markdown_pages import EXECUTED, ROOT, blocks, listed, pages


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the kinds of check, where the commands of the pages were asked for."""
    if terminalreporter.config.getoption("markexpr") != "docs":
        return
    said = listed()
    terminalreporter.section("commands of the pages")
    for page in pages(*EXECUTED):
        text = (ROOT / page).read_text()
        commands = [line for block in blocks(text, "sh") for line in block.commands]
        checks = said[page].commands if page in said else {}
        kinds = Counter(checks[it].kind if it in checks else "run" for it in commands)
        kinds["python, run"] = len(blocks(text, "python"))
        if shown := [f"{number} {kind}" for kind, number in kinds.items() if number]:
            terminalreporter.write_line(f"{page}: {', '.join(shown)}")
        for command, check in checks.items():
            terminalreporter.write_line(f"    {check.kind}: {command}\n        {check.why}")
