"""The page that shows the app in a browser: its HTML and style, and textual-serve's script and font, all from here."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib.resources import files

from textual.theme import Theme

_FONT_SIZE = 16
# The terminal's script puts its colours into <style> elements of its own, so inline style is let in; script is not.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Fireside</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="xterm.css">
<link rel="stylesheet" href="page.css">
<script src="textual.js"></script>
<script src="page.js" defer></script>
</head>
<body>
<p class="starting" role="status">Fireside <b>is</b> <i>starting</i></p>
<div class="textual-terminal" data-session-websocket-url="{socket}" data-font-size="{size}"></div>
<p class="closed" role="status">This session has ended; what was written is saved. <a href="./">Open it again</a></p>
<noscript><p>The app is drawn by a script of this page, and scripts are switched off here.</p></noscript>
</body>
</html>
"""

# What is shown first is in all the faces of the font, so that they are there when the terminal measures a cell.
_STYLE = """@font-face {{ font-family: "Roboto Mono"; font-weight: 100 700; src: url("mono.ttf"); }}
@font-face {{ font-family: "Roboto Mono"; font-weight: 100 700; font-style: italic; src: url("mono-italic.ttf"); }}
html, body {{ height: 100%; margin: 0; overflow: hidden; background: {background}; color: {foreground}; }}
body {{ font: 16px "Roboto Mono", monospace; }}
.textual-terminal {{ width: 100vw; height: 100vh; }}
p {{ margin: 0; padding: 1em; }}
a {{ color: {accent}; }}
.starting {{ position: absolute; inset: 0; display: flex; gap: 1ch; align-items: center; justify-content: center; }}
.-first-byte .starting, .-closed .starting, .closed {{ display: none; }}
.-closed .closed {{ display: block; position: absolute; inset: auto 0 0 0; z-index: 20; background: {panel}; }}
"""

# Keys go to the app as soon as it is there; textual-serve's script would wait for a click.
_SCRIPT = """new MutationObserver((changes, observer) => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) {
    keys.focus();
    observer.disconnect();
  }
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
"""

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="{accent}" d="M8 1c1 3 5 4.5 5 9a5 5 0 0 '
    '1-10 0c0-2 1-3 2-4 0 1 .5 2 1.5 2C7.5 6 6 4 8 1z"/></svg>\n'
)


@dataclass(frozen=True)
class File:
    """A file of the page: its bytes and their media type."""

    data: bytes
    media_type: str


def page_files(theme: Theme) -> dict[str, File]:
    """What the page loads, by name, in the colours of `theme`."""
    static = files("textual_serve") / "static"
    fonts = static / "fonts"
    of_theme = theme.to_color_system().generate()  # what a theme leaves out Textual makes of its other colours
    colours = {
        "background": of_theme["background"],
        "foreground": of_theme["foreground"],
        "panel": of_theme["panel"],
        "accent": of_theme["primary"],
    }
    return {
        "textual.js": File((static / "js" / "textual.js").read_bytes(), "text/javascript; charset=utf-8"),
        "xterm.css": File((static / "css" / "xterm.css").read_bytes(), "text/css; charset=utf-8"),
        "mono.ttf": File((fonts / "RobotoMono-VariableFont_wght.ttf").read_bytes(), "font/ttf"),
        "mono-italic.ttf": File((fonts / "RobotoMono-Italic-VariableFont_wght.ttf").read_bytes(), "font/ttf"),
        "page.css": File(_STYLE.format(**colours).encode(), "text/css; charset=utf-8"),
        "page.js": File(_SCRIPT.encode(), "text/javascript; charset=utf-8"),
        "icon.svg": File(_ICON.format(**colours).encode(), "image/svg+xml"),
    }


def page(host: str, base: str) -> bytes:
    """The HTML of the page at `base` of `host` (NAME:PORT), which opens the WebSocket beside it."""
    return _HTML.format(socket=escape(f"ws://{host}{base}ws"), size=_FONT_SIZE).encode()


def security_headers(host: str) -> dict[str, str]:
    """What every answer tells the browser: load nothing from elsewhere, tell nobody, be in nobody's frame."""
    return {
        "Content-Security-Policy": _POLICY.format(host=host),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
