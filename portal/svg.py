"""Check that an SVG file is only an image: it runs nothing and loads nothing.

Browsers run no script of an SVG that a page shows as an image. This check is for those who open the file itself.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from urllib.parse import unquote
from xml.parsers import expat

SVG, XLINK, XML = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink", "http://www.w3.org/XML/1998/namespace"
ELEMENTS = {
    "svg", "g", "defs", "symbol", "use", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline",
    "polygon", "text", "tspan", "style", "clipPath", "mask", "pattern", "linearGradient", "radialGradient", "stop",
    "filter", "feGaussianBlur", "feOffset", "feMerge", "feMergeNode", "feBlend", "feColorMatrix", "feComposite",
    "feFlood",
}  # fmt: skip
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
LENGTH = re.compile(rf"({NUMBER})(?:px|pt|mm|cm|in|em|rem)?")
ELSEWHERE = re.compile(
    r"(?i)(?:url|src)\((?!\s*[\"']?#)|image-set|expression|@|\\"
)  # in CSS; backslashes could disguise it
INSIDE = re.compile(r"(?i)url\(\s*[\"']?#([^\"')\s]*)")  # a reference to an element of the file, in CSS
GRADIENTS = {"linearGradient", "radialGradient"}
CLASSES = re.compile(r"(?:\s*\.[\w-]+(?:\s*,\s*\.[\w-]+)*\s*\{[^{}\"']*\})*\s*")  # rules for nothing but classes
DEEPEST, LONGEST_CHAIN, MOST = 60, 12, 20_000  # MOST: elements to draw, each as often as it is referred to


def size_of(content: bytes) -> tuple[float, float] | None:
    """The width and height of an SVG image; None if it is no SVG. ValueError says what it may not contain."""
    if b"<svg" not in content[:2000] and b":svg" not in content[:2000]:
        return None
    reader = _Reader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError:
        raise ValueError("is not a valid SVG file.") from None
    reader.check_references()
    if reader.size is None or min(reader.size) <= 0:
        raise ValueError("must have a viewBox, or a width and a height.")
    return reader.size


class _Reader:
    """Reads a file once, and raises ValueError at the first thing that isn't allowed."""

    def __init__(self) -> None:
        self.size: tuple[float, float] | None = None
        self.path: list[str] = []
        self.ids: list[str] = []  # of the open elements
        self.kinds: dict[str, str] = {}  # the elements with an id
        self.contents: defaultdict[str, Counter[str]] = defaultdict(Counter)  # references and elements ("") by id
        self.style: list[str] = []  # all parts of <style>, because browsers join them
        self.styled: set[str] = set()  # references in <style>
        self.are_for_classes = True  # its rules
        self.classed: set[str] = set()  # the IDs of elements with a class, and of those around them
        self.parser = expat.ParserCreate("utf-8", namespace_separator=" ")  # as it is served, whatever it declares
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.ProcessingInstructionHandler = lambda target, _: _refuse(f"<?{target}?>")

    def doctype(self, *_: object) -> None:
        """It could declare entities, which expand without bounds."""
        _refuse("<!DOCTYPE>")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        is_out_of_place = (tag == "svg") != (not self.path) or self.path[-1:] == ["style"]
        if namespace != SVG or tag not in ELEMENTS or is_out_of_place:
            _refuse(f"<{tag}>")
        if len(self.path) > DEEPEST:
            raise ValueError("is nested too deeply.")
        self.path.append(tag)
        for key, value in attributes.items():
            _check(key, value)
        own = attributes.get("id", "")
        self.ids.append(own)
        if own and self.kinds.setdefault(own, tag) != tag:
            raise ValueError("has two elements with the same ID.")
        links = [key for key, value in attributes.items() if key.rpartition(" ")[2].lower() == "href"]
        found = [unquote(attributes[key][1:]) for key in links]
        found += [unquote(one) for value in attributes.values() for one in INSIDE.findall(value)]
        for one in {"", *self.ids}:
            self.contents[one].update(["", *found])
        if "class" in attributes:
            self.classed.update(self.ids)
        if tag == "svg":
            self.size = _size(attributes)

    def characters(self, text: str) -> None:
        if self.path[-1] == "style":
            self.style.append(text)

    def end(self, _: str) -> None:
        self.ids.pop()
        if self.path.pop() == "style":
            text = "".join(self.style)
            if ELSEWHERE.search(text):
                _refuse("a style that loads something")
            self.styled.update(map(unquote, INSIDE.findall(text)))
            self.are_for_classes = self.are_for_classes and CLASSES.fullmatch(text) is not None
            self.style.clear()

    def check_references(self) -> None:
        """Elements that are drawn many times, within others that are, would keep browsers busy on every page."""
        clips = [one for one in self.styled if self.kinds.get(one) == "clipPath"]
        others = {self.kinds[one] for one in self.styled if one in self.kinds} - {*GRADIENTS, "clipPath"}
        if others or (clips and self._are_styled(clips)):
            _refuse("a style that refers to something other than gradients and plain clipping paths")
        known: dict[str, int] = {}

        def drawn(name: str, chain: tuple[str, ...] = ()) -> int:
            if name in chain or len(chain) > LONGEST_CHAIN:
                raise ValueError("refers to itself, or to other elements over too many steps.")
            if name not in known:
                own = self.contents.get(name, Counter())
                known[name] = own[""] + sum(drawn(one, (*chain, name)) * n for one, n in own.items() if one)
            return known[name]

        if drawn("") > MOST:
            raise ValueError(f"draws more than {MOST:,} elements.")

    def _are_styled(self, names: list[str]) -> bool:
        """Whether a style can apply to something in these elements, or in those that they refer to."""
        todo, seen = names, {""}
        while todo and self.are_for_classes:
            one = todo.pop()
            if one in seen:
                continue
            if one in self.classed:
                return True
            seen.add(one)
            todo += self.contents.get(one, ())
        return not self.are_for_classes


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
