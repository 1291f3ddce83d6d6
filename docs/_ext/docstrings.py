"""Docstrings of odeopt as MyST Markdown: paragraphs, lists of arguments, doctests and formulas set apart.

A docstring is plain text, to be read in a terminal.  Here its paragraphs are told apart by their form:

    name: what it is                a list of arguments, with continuation lines indented
    >>> code                        an example
    (indented)                      a formula or a printed result
    anything else, and the first    prose, in which `odeopt.name` becomes a link
"""

from __future__ import annotations

import re
from collections.abc import Container
from itertools import groupby

ITEM = re.compile(r"^([\w`\"][\w`\"=*,./ -]{0,38}):\s+(\S.*)$")
CODE = re.compile(r"(`[^`]+`)")
SPECIAL = re.compile(r"([\\*_<>\[\]|$#~{}^])")


def markdown(docstring: str, known: Container[str]) -> str:
    """The docstring as Markdown; names in `known` become links."""
    first, *others = _paragraphs(docstring) or [[""]]
    return "\n\n".join([prose(first, known), *(_block(lines, known) for lines in others)])


def summary(docstring: str, known: Container[str]) -> str:
    """The first line, in one paragraph of Markdown."""
    return prose([docstring.strip().split("\n", 1)[0]], known)


def prose(lines: list[str], known: Container[str]) -> str:
    """Text with Markdown's own signs escaped, and code between backticks kept."""
    parts = CODE.split(" ".join(line.strip() for line in lines))
    return "".join(_code(part, known) if part.startswith("`") else SPECIAL.sub(r"\\\1", part) for part in parts)


def _code(quoted: str, known: Container[str]) -> str:
    name = quoted.strip("`")
    for full in (name, f"odeopt.{name}", name.replace("oo.", "odeopt.", 1)):
        if full in known:
            return f"{{py:obj}}`{name} <{full}>`"
    return quoted


def _paragraphs(docstring: str) -> list[list[str]]:
    lines = docstring.strip("\n").rstrip().split("\n")
    return [list(group) for blank, group in groupby(lines, key=lambda line: not line.strip()) if not blank]


def _block(lines: list[str], known: Container[str]) -> str:
    if lines[0].startswith(">>>"):
        return _fenced("pycon", lines)
    if all(line.startswith("    ") for line in lines):
        return _fenced("text", [line[4:] for line in lines])
    if found := _items(lines):
        return "\n".join(f"- `{name.strip('`')}`: {prose(text, known)}" for name, text in found)
    listed = [line.startswith("- ") for line in lines]
    if any(listed):
        return "\n".join(
            f"{'- ' if new else '  '}{prose([line[2:] if new else line], known)}"
            for line, new in zip(lines, listed, strict=True)
        )
    return prose(lines, known)


def _items(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The arguments of a list, each with its text; empty unless every line fits."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if match := ITEM.match(line):
            found.append((match[1], [match[2]]))
        elif found and line.startswith("  "):
            found[-1][1].append(line)
        else:
            return []
    return found


def _fenced(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])
