"""How a footer looks: for `footer preview`, and for screenshots."""

from gateway.footer.template import FooterText
from gateway.footer.values import SAMPLE, FooterValues

_PAGE = """\
<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{name}</title>
<style>:root {{ color-scheme: {scheme}; }} body {{ font-family: sans-serif; margin: 16px; }}</style></head>
<body>
<p>…</p>
{footer}
</body></html>
"""


def preview_plain(footer: FooterText, values: FooterValues = SAMPLE) -> str:
    """The text footer with LF as line end."""
    return footer.render_plain(values) + "\n"


def preview_page(footer: FooterText, values: FooterValues = SAMPLE, *, dark: bool | None = None) -> str:
    """A page with the HTML footer as in a mail; with `dark` None the reader's own setting decides."""
    scheme = "light dark" if dark is None else "dark" if dark else "light"
    return _PAGE.format(name=footer.name, scheme=scheme, footer=footer.render_html(values))
