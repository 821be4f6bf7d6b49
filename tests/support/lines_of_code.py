"""Counts lines of code."""

from __future__ import annotations

import ast


def lines_of_code(node: ast.AST, source: list[str]) -> int:
    """Lines that are neither blank, nor comments, nor part of a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    skipped: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, documented) and ast.get_docstring(part, clean=False) is not None:
            first = part.body[0]
            skipped |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    start = getattr(node, "lineno", 1)
    end = getattr(node, "end_lineno", None) or len(source)
    texts = {n: source[n - 1].strip() for n in range(start, end + 1) if n not in skipped}
    return sum(bool(text) and not text.startswith("#") for text in texts.values())
