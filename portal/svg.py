"""Check that an SVG file is only an image: it runs nothing and loads nothing.

Browsers run no script of an SVG that a page shows as an image. This check is for those who open the file itself.
"""

from __future__ import annotations

import re
from xml.parsers import expat

SVG, XLINK, XML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"
ELEMENTS = {
    "svg", "g", "defs", "symbol", "use", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline",
    "polygon", "text", "tspan", "style", "clipPath", "mask", "pattern", "linearGradient", "radialGradient", "stop",
    "filter", "feGaussianBlur", "feOffset", "feMerge", "feMergeNode", "feBlend", "feColorMatrix", "feComposite",
    "feFlood",
}  # fmt: skip
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
LENGTH = re.compile(rf"({NUMBER})(?:px|pt|mm|cm|in|em|rem)?")
ELSEWHERE = re.compile(r"(?i)url\((?!\s*[\"']?#)|image-set|expression|@|\\")  # in CSS; backslashes could disguise it
DEEPEST = 60


def size_of(content: bytes) -> tuple[float, float] | None:
    """The width and height of an SVG image; None if it is no SVG. ValueError says what it may not contain."""
    if b"<svg" not in content[:2000] and b":svg" not in content[:2000]:
        return None
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError:
        raise ValueError("is not a valid SVG file.") from None
    if reader.size is None or min(reader.size) <= 0:
        raise ValueError("must have a viewBox, or a width and a height.")
    return reader.size


class _Reader:
    """Reads a file once, and raises ValueError at the first thing that isn't allowed."""

    def __init__(self) -> None:
        self.size: tuple[float, float] | None = None
        self.path: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = lambda _: self.path.pop()
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.ProcessingInstructionHandler = lambda target, _: _refuse(f"<?{target}?>")

    def doctype(self, *_: object) -> None:
        """It could declare entities, which expand without bounds."""
        _refuse("<!DOCTYPE>")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        if namespace != SVG or tag not in ELEMENTS or (tag == "svg") != (not self.path):
            _refuse(f"<{tag}>")
        if len(self.path) > DEEPEST:
            raise ValueError("is nested too deeply.")
        self.path.append(tag)
        for key, value in attributes.items():
            _check(key, value)
        if tag == "svg":
            self.size = _size(attributes)

    def characters(self, text: str) -> None:
        if self.path[-1] == "style" and ELSEWHERE.search(text):
            _refuse("a style that loads something")


def _check(key: str, value: str) -> None:
    namespace, _, name = key.rpartition(" ")
    if namespace not in ("", XLINK, XML) or name.lower().startswith("on"):
        _refuse(f"the attribute {name}")
    if name.lower() in ("href", "src", "base") and not value.startswith("#"):
        _refuse("a link")
    if ELSEWHERE.search(value):
        _refuse("a style that loads something")


def _refuse(what: str) -> None:
    raise ValueError(f"can't contain {what}. Export it as plain SVG, or use PNG.")


def _size(attributes: dict[str, str]) -> tuple[float, float] | None:
    box = re.split(r"[\s,]+", attributes.get("viewBox", "").strip())
    if len(box) == 4 and all(re.fullmatch(NUMBER, one) for one in box):
        return float(box[2]), float(box[3])
    found = [LENGTH.fullmatch(attributes.get(name, "")) for name in ("width", "height")]
    width, height = (float(one.group(1)) if one else 0.0 for one in found)
    return width, height
