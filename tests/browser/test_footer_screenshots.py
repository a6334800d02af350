"""The footer looks right in a browser: real edited mails in Chromium, light and dark, narrow and wide.

Every picture is kept in artefacts/screenshots/ for people; what can be asserted is asserted here, from
where things stand and from the very pixels. The mails get the shipped footers.
"""

import base64
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.footer.values import SAMPLE
from gateway.message.charset import decode, lookup
from gateway.message.scan import scan
from gateway.message.transfer import decode as decode_transfer
from tests.browser.chromium import Chromium, View
from tests.browser.pages import MAILS, SMALL, WIDE, Mail
from tests.programs import find
from tests.unit.footer.mails import EN, FOOTERS, JA, add_footer, mail
from tests.unit.message.test_html import HIDING

pytestmark = pytest.mark.peer("chromium", "noto-cjk")

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "artefacts" / "screenshots"
GOLDEN = sorted(
    folder.name
    for folder in (ROOT / "tests/golden/footer").iterdir()
    if folder.name.startswith(("html-", "alternative-"))
)

READABLE = 4.5
"""WCAG 2.2, 1.4.3: contrast of text this size. A link counts as read when its letters have it."""

VIEWS = {
    f"light-{SMALL}": View(width=SMALL),
    f"light-{WIDE}": View(width=WIDE),
    # The person's system is dark, and the mail may have styles for that.
    f"dark-{SMALL}": View(width=SMALL, prefers="dark"),
    f"dark-{WIDE}": View(width=WIDE, prefers="dark"),
    # The program darkens every mail by itself, as those of phones do.
    f"darkened-{SMALL}": View(width=SMALL, prefers="dark", forced=True),
}

# Where the footer, the sender's last words and the quoted original stand. The first step is to make the
# footer's link visible, as a reader would by scrolling.
MEASURE = """
((link, optOut, before, after) => {
  const box = rect => ({left: rect.left, top: rect.top + scrollY, right: rect.right,
                        bottom: rect.bottom + scrollY});
  const words = text => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let last = null;
    while (walk.nextNode()) {
      const at = walk.currentNode.data.indexOf(text);
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(walk.currentNode, at);
      range.setEnd(walk.currentNode, at + text.length);
      last = box(range.getBoundingClientRect());
    }
    return last;
  };
  const anchors = [...document.querySelectorAll("a")];
  const links = anchors.filter(a => a.href === link), outs = anchors.filter(a => a.href === optOut);
  const result = {links: links.length, outs: outs.length, width: innerWidth,
                  pageWidth: document.documentElement.scrollWidth,
                  pageDirection: getComputedStyle(document.documentElement).direction};
  if (!links.length) return result;
  const root = links[0].closest("div[lang]");
  const style = getComputedStyle(root);
  const shown = anchor => {
    anchor.scrollIntoView({block: "center"});
    const rect = anchor.getClientRects()[0];
    const hit = document.elementFromPoint((rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2);
    return anchor.checkVisibility({opacityProperty: true, visibilityProperty: true}) && anchor.contains(hit);
  };
  const all = [root, ...root.querySelectorAll("*")].filter(e => e.tagName !== "BR");
  return {...result, shown: shown(links[0]), outShown: shown(outs[0]),
          footer: box(root.getBoundingClientRect()),
          boxes: all.map(e => box(e.getBoundingClientRect())),
          text: [...root.querySelectorAll("p, li")].map(e => box(e.getBoundingClientRect())),
          linkText: links[0].innerText, direction: style.direction, align: style.textAlign,
          size: parseFloat(style.fontSize), linkBox: box(links[0].getClientRects()[0]),
          above: words(before), below: after ? words(after) : null};
})
"""

# The best contrast between any pixel in a box and the colour that most of the box has, from the picture.
CONTRAST = """
(async (picture, boxes) => {
  const image = new Image();
  image.src = "data:image/png;base64," + picture;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width; canvas.height = image.height;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const part = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * part(c >> 16) + 0.7152 * part(c >> 8 & 255) + 0.0722 * part(c & 255);
  return boxes.map(({left, top, right, bottom}) => {
    const x = Math.max(0, Math.round(left * 2)), y = Math.round(top * 2);
    const width = Math.min(canvas.width, Math.round(right * 2)) - x, height = Math.round(bottom * 2) - y;
    const data = context.getImageData(x, y, width, height).data;
    const counts = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const colour = data[i] << 16 | data[i + 1] << 8 | data[i + 2];
      counts.set(colour, (counts.get(colour) || 0) + 1);
    }
    const ground = light([...counts].sort((a, b) => b[1] - a[1])[0][0]);
    // One pixel proves nothing; what letters are drawn with comes up often.
    const often = [...counts].filter(([, count]) => count >= 12).map(([colour]) => light(colour));
    return Math.max(...often.map(l => (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05)));
  });
})
"""


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder for the pictures, without those of other runs."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    return PICTURES


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """One browser for all pictures."""
    program = find("chromium")
    assert program is not None
    with Chromium(program) as browser:
        yield browser


@pytest.fixture
def look(chromium: Chromium, pictures: Path, tmp_path: Path) -> "Look":
    """See `Look`."""
    return Look(chromium, pictures, tmp_path)


class Look:
    """Shows HTML in the browser, keeps the picture and tells what stands where."""

    def __init__(self, chromium: Chromium, pictures: Path, folder: Path) -> None:
        self.chromium = chromium
        self.pictures = pictures
        self.folder = folder

    def __call__(
        self, html: str, view: View, *, name: str = "", new: str = "", quoted: str = ""
    ) -> Mapping[str, Any]:
        """What `MEASURE` finds; with a `name` also the picture, and ``contrast`` of link and texts in it."""
        page = self.folder / "page.html"
        # The mark outweighs any <meta charset>, as a mail's own header does.
        page.write_text("\ufeff" + html, "utf-8")
        self.chromium.show(page, view)
        found: dict[str, Any] = self.chromium.evaluate(
            f"{MEASURE}({SAMPLE.link!r}, {SAMPLE.opt_out!r}, {new!r}, {quoted!r})"
        )
        if not name:
            return found
        picture = self.chromium.screenshot()
        (self.pictures / f"{name}.png").write_bytes(picture)
        boxes = [found["linkBox"], *found["text"]]
        encoded = base64.b64encode(picture).decode()
        found["contrast"] = self.chromium.evaluate(f"{CONTRAST}({encoded!r}, {boxes!r})")
        return found


def html_of(data: bytes) -> str:
    """The HTML of a mail, decoded by its own header; several texts stand one below the other."""
    texts = []
    for part in scan(data).parts:
        if part.content_type == "text/html":
            charset = lookup(part.parameters.get("charset", "us-ascii"))
            assert charset is not None
            texts.append(decode(decode_transfer(data[part.body[0] : part.body[1]], part.encoding), charset))
    return "\n".join(texts)


def assert_readable(found: Mapping[str, Any], view: View, *, page_width: int) -> None:
    """What holds for the footer in every mail; `page_width` is that of the mail without it."""
    assert (found["links"], found["outs"]) == (1, 1)
    assert (found["shown"], found["outShown"]) == (True, True)
    assert "".join(found["linkText"].split()) == SAMPLE.link
    assert found["pageWidth"] <= max(view.width, page_width), "the footer makes the page scroll sideways"
    assert min(box["left"] for box in found["boxes"]) >= 0
    assert max(box["right"] for box in found["boxes"]) <= view.width
    assert found["footer"]["right"] - found["footer"]["left"] >= 280, "squeezed"
    assert (found["direction"], found["align"]) == ("ltr", "left")
    assert found["size"] == 14
    assert min(found["contrast"]) >= READABLE


@pytest.mark.parametrize("how", VIEWS)
@pytest.mark.parametrize("name", MAILS)
def test_footer(name: str, how: str, look: Look) -> None:
    """Visible, inside the window, readable, below what was written and above what is quoted."""
    case, view = MAILS[name], VIEWS[how]
    original = mail(case.html.replace("\n", "\r\n"), kind="html", encoding="base64")
    edited = add_footer(original, FOOTERS[case.footer])
    before = look(html_of(original), view)
    assert before["links"] == 0
    assert before["pageWidth"] <= view.width or not case.fluid
    found = look(html_of(edited.data), view, name=f"{name}-{how}", new=case.new, quoted=case.quoted)
    assert_readable(found, view, page_width=before["pageWidth"])
    assert_in_order(found, case)
    if case.rtl and case.html.startswith("<!DOCTYPE"):
        assert found["pageDirection"] == "rtl"
        # The footer's own words run from left to right, and its box begins where the page's lines do.
        assert view.width - found["footer"]["right"] <= 16


def assert_in_order(found: Mapping[str, Any], case: Mail) -> None:
    """The new text, the footer, the quoted original, from top to bottom."""
    assert found["above"]["bottom"] <= found["footer"]["top"]
    if case.quoted:
        assert found["footer"]["bottom"] <= found["below"]["top"]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_mails(name: str, look: Look) -> None:
    """The mails of the golden pairs, on a phone, in the dark and in the light."""
    data = (ROOT / "tests/golden/footer" / name / "input.eml").read_bytes()
    edited = add_footer(data, EN if "english" in name else JA)
    for how in (f"light-{SMALL}", f"dark-{SMALL}"):
        before = look(html_of(data), VIEWS[how])
        found = look(html_of(edited.data), VIEWS[how], name=f"golden-{name}-{how}")
        assert_readable(found, VIEWS[how], page_width=before["pageWidth"])


def test_what_is_hidden(look: Look) -> None:
    """A browser hides what the tokenizer says it hides, whether or not elements are closed."""
    ask = """(here => {
      const [box] = here.getClientRects();
      return here.checkVisibility({visibilityProperty: true, opacityProperty: true})
        && here.contains(document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2));
    })(document.getElementById("here"))"""
    seen = []
    for source, _ in HIDING:
        look(source.replace("@", "<i id=here>here</i>"), VIEWS[f"light-{SMALL}"])
        seen.append((source, look.chromium.evaluate(ask)))
    assert seen == HIDING


def test_what_is_unreadable_is_found(look: Look) -> None:
    """Grey on grey is measured as such; a footer wider than the window and one that is hidden are seen."""
    link = f'<a href="{SAMPLE.link}" style="color:#aaa">{SAMPLE.link}</a>'
    out = f'<p style="color:#eee"><a href="{SAMPLE.opt_out}" style="visibility:hidden">x</a> pale</p>'
    html = f'<body style="background:#999"><div lang="en" style="width:500px">{link}{out}</div></body>'
    found = look(html, VIEWS[f"light-{SMALL}"], name="unreadable")
    assert found["contrast"][0] < 1.5
    assert found["contrast"][1] < READABLE
    assert found["outShown"] is False
    assert found["pageWidth"] > SMALL
