"""docs/operations.md as one page of HTML that needs nothing else: where the links of alerts lead, also while no service runs.

Its headings have the ids that GitHub gives them, so that a link counts here and there. Links to other pages of the source tree are
left as words: those pages are not here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.token import Token

# In a wheel it lies beside this file (pyproject.toml, force-include); in a source tree where people read it.
_WHEELS = Path(__file__).with_name("operations.md")
_TREES = Path(__file__).parents[3] / "docs" / "operations.md"

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:auto;padding:1rem;overflow-wrap:anywhere}"
    "pre{overflow-x:auto;background:#f3f3f3;padding:.5rem}code{background:#f3f3f3}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #bbb;padding:.25rem .5rem;text-align:left;"
    "vertical-align:top}:target{background:#ffef9e}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}pre,code{background:#222}"
    ":target{background:#553}}"
)


def page() -> str:
    """The page that this release was made with."""
    return render((_WHEELS if _WHEELS.exists() else _TREES).read_text())


def render(text: str) -> str:
    """A page of HTML of this Markdown."""
    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
    for token in tokens:
        if token.children:
            token.children = _without_links_elsewhere(token.children)
    title = next((each.content for each in tokens if each.type == "inline"), "")
    body = markdown.renderer.render(tokens, markdown.options, {})
    return (
        '<!DOCTYPE html><html lang="en-GB"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)} · telecare</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def anchor(heading: str) -> str:
    """`When nobody hears the devices` → `when-nobody-hears-the-devices`."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _without_links_elsewhere(tokens: Sequence[Token]) -> list[Token]:
    kept: list[Token] = []
    open_ = [True]
    for token in tokens:
        if token.type == "link_open":
            open_.append(f"{token.attrs['href']}".startswith(("#", "https://")))
        if open_[-1] or token.type not in {"link_open", "link_close"}:
            kept.append(token)
        if token.type == "link_close":
            open_.pop()
    return kept
