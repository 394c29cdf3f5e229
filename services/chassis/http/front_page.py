"""`/`: what is running here, for a person with any browser on any screen. No script, and nothing fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from fastapi.responses import HTMLResponse

from services.chassis.http.readiness import Finding
from services.chassis.service import Link

# Contrast of text on its ground is 7:1 or more in both schemes; links are underlined, so that colour alone tells nothing;
# a link's line is 2.75rem (44 px) high, a target for a thumb.
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --ground: #ffffff; --link: #003d80; --bad: #8a0f0f; --good: #0b5227; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceff2; --ground: #14171a; --link: #a8cfff; --bad: #ffb3b3; --good: #9be3b4; }
}
body { max-width: 40rem; margin: 0 auto; padding: 1rem; font: 1.125rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--ground); overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; margin-block: 1rem 0; }
h2 { font-size: 1.25rem; margin-block: 1.5rem 0.25rem; }
a { color: var(--link); text-decoration: underline; display: inline-block; line-height: 2.75rem; }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.good { color: var(--good); } .bad { color: var(--bad); }
nav ul { list-style: none; padding: 0; margin: 0; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_LINKS = (
    ("docs", "API documents"),
    ("openapi.json", "OpenAPI description (JSON)"),
    ("metrics", "Metrics for Prometheus"),
    ("healthz", "Health: is the process alive?"),
    ("readyz", "Readiness: can it do its work?"),
)

_PAGE = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{state_short} – {title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>Version {version}. An open alarm receiving service for digital telecare.</p>
<h2>State</h2>
<p class="{state_class}"><strong>{state}</strong></p>
{reasons}
{notes}
<h2>Running in this process</h2>
<ul>
{services}
</ul>
<nav aria-labelledby="more">
<h2 id="more">More</h2>
<ul>
{links}
</ul>
</nav>
</main>
</body>
</html>
"""


def front_page(
    title: str,
    version: str,
    services: Sequence[str],
    findings: Sequence[Finding],
    links: Sequence[Link] = (),
    notes: Sequence[str] = (),
) -> HTMLResponse:
    """The page, with a policy that lets a browser run and fetch nothing. `links`: the services' own pages."""
    ready = not findings
    own = [(link.path.removeprefix("/"), f"{link.name}: {link.about}") for link in links]
    reasons = "".join(f"<li>{escape(each.service)}: {escape(each.reason)}</li>\n" for each in findings)
    page = _PAGE.format(
        title=escape(title),
        version=escape(version),
        style=_STYLE,
        state_short="Ready" if ready else "Not ready",
        state="Ready: every check passes." if ready else "Not ready:",
        state_class="good" if ready else "bad",
        reasons="" if ready else f"<ul>\n{reasons}</ul>",
        notes="\n".join(f"<p><strong>Note:</strong> {escape(note)}</p>" for note in notes),
        services="\n".join(f"<li>{escape(name)}</li>" for name in services),
        links="\n".join(f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in (*own, *_LINKS)),
    )
    headers = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(page, headers=headers)
