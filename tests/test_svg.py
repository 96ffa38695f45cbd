"""An SVG file is accepted only if it runs nothing and loads nothing."""

from __future__ import annotations

import pytest

from portal.svg import size_of

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 20 10">'


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (f'{OPEN}<style>.a {{ fill: url(#b) }}</style><path class="a" d="M0 0h9"/></svg>', (20, 10)),
        ('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="12px" height="3.5"/>', (12, 3.5)),
        ('<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0,0,1,2"><s:g/></s:svg>', (1, 2)),
        (f'{OPEN}<defs><g id="a"/></defs><use xlink:href="#a"/></svg>', (20, 10)),
    ],
)
def test_plain_images_have_a_size(text: str, size: tuple[float, float]) -> None:
    assert size_of(text.encode()) == size


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"<html><body/></html>"])
def test_other_files_are_no_images_of_this_kind(content: bytes) -> None:
    assert size_of(content) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{OPEN}<script>alert(1)</script></svg>", "<script>"),
        (f'{OPEN}<g onload="alert(1)"/></svg>', "the attribute onload"),
        (f'{OPEN}<a href="#x"/></svg>', "<a>"),
        (f'{OPEN}<use xlink:href="https://evil.example/a.svg#b"/></svg>', "a link"),
        (f'{OPEN}<use href="data:image/svg+xml,x"/></svg>', "a link"),
        (f'{OPEN}<image href="#a"/></svg>', "<image>"),
        (f'{OPEN}<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"/></foreignObject></svg>', "<foreignObject>"),
        (f'{OPEN}<set attributeName="href" to="javascript:alert(1)"/></svg>', "<set>"),
        (f"{OPEN}<style>@import 'https://evil.example/';</style></svg>", "a style that loads something"),
        (f"{OPEN}<style>a {{ fill: u\\72l(https://evil.example/) }}</style></svg>", "a style that loads something"),
        (f'{OPEN}<rect style="fill: url( &quot;//evil.example/&quot;)"/></svg>', "a style that loads something"),
        (f'{OPEN}<rect fill="url(http://evil.example/#a)"/></svg>', "a style that loads something"),
        (f'<!DOCTYPE svg [<!ENTITY a "b">]>{OPEN}&a;</svg>', "<!DOCTYPE>"),
        (f'<?xml-stylesheet href="https://evil.example/a.css"?>{OPEN}</svg>', "<?xml-stylesheet?>"),
        (f"{OPEN}<g>", "is not a valid SVG file"),
        (f"{OPEN}&nbsp;</svg>", "is not a valid SVG file"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "must have a viewBox"),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 0 5"/>', "must have a viewBox"),
        ('<svg viewBox="0 0 1 1"/>', "<svg>"),
        (f"{OPEN}{'<g>' * 80}{'</g>' * 80}</svg>", "is nested too deeply"),
    ],
)
def test_what_runs_or_loads_something_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=".") as refused:
        size_of(text.encode())

    assert message in str(refused.value)


def test_another_encoding_hides_nothing() -> None:
    hidden = f"{OPEN}<script/></svg>"
    assert size_of(hidden.encode("utf-16")) is None
    padded = f'<?xml version="1.0" encoding="iso-8859-1"?>{hidden}'
    with pytest.raises(ValueError, match="<script>"):
        size_of(padded.encode("iso-8859-1"))


@pytest.mark.parametrize("encoding", ["bogus", "base64", "utf-7", "cp500", "shift_jis"])
def test_a_declared_encoding_doesn_t_matter_because_the_file_is_served_as_utf_8(encoding: str) -> None:
    declared = f'<?xml version="1.0" encoding="{encoding}"?>{OPEN}'
    assert size_of(f"{declared}</svg>".encode()) == (20, 10)
    with pytest.raises(ValueError, match="<script>"):
        size_of(f"{declared}<script/></svg>".encode())


@pytest.mark.parametrize(
    "style",
    [
        "ur<g/>l(//evil.example/)",
        "ur<![CDATA[l(//evil.example/)]]>",
        "u<!-- -->rl(//evil.example/)",
        "a" * 8190 + "&#117;&#114;&#108;(//evil.example/)",
    ],
)
def test_a_style_in_parts_hides_nothing(style: str) -> None:
    with pytest.raises(ValueError, match="a style that loads something|<g>"):
        size_of(f"{OPEN}<style>{style}</style></svg>".encode())


def multiplied(steps: int, reference: str) -> str:
    """Groups that refer to the one before ten times each."""
    groups = (f'<g id="a{n}">{reference.format(n - 1) * 10}</g>' for n in range(1, steps + 1))
    return f'{OPEN}<path id="a0" d="M0 0h8"/>{"".join(groups)}</svg>'


@pytest.mark.parametrize(
    "reference",
    ['<use href="#a{}"/>', '<use href="#%61{}"/>', '<rect mask="url(#a{})"/>', '<g style="fill:URL(\'#a{}"/>'],
)
def test_elements_that_multiply_are_refused(reference: str) -> None:
    assert size_of(multiplied(2, reference).encode()) == (20, 10)
    with pytest.raises(ValueError, match="draws more than 20,000 elements"):
        size_of(multiplied(9, reference).encode())
    with pytest.raises(ValueError, match="draws more than|over too many steps"):
        size_of(multiplied(60, reference).encode())


def test_references_are_to_other_elements_and_from_styles_to_gradients_and_clipping_paths() -> None:
    gradient = '<linearGradient id="a"><stop offset="0"/></linearGradient>'
    clip = '<rect id="r"/><clipPath id="c"><use href="#r"/></clipPath>'
    assert size_of(f"{OPEN}{clip}<style>.b, .c {{clip-path:url(#c);}}</style></svg>".encode()) == (20, 10)
    assert size_of(f"{OPEN}{gradient}<style>.b{{fill:url(#a)}}</style></svg>".encode()) == (20, 10)
    for text in (
        '<style>.b{mask:url("#a")}</style><mask id="a"><g class="c"/></mask>',
        f"{clip}<style>.b{{clip-path:url(#c)}}</style>".replace("<rect", '<rect class="b"'),
        f"{clip}<style>rect{{clip-path:url(#c)}}</style>",
        f"{clip}<style>.b{{}} g .b{{clip-path:url(#c)}}</style>",
        '<g id="a"><use href="#a"/></g>',
        f'{gradient}<mask id="a"/>',
    ):
        with pytest.raises(ValueError, match="gradient|itself|same ID"):
            size_of(f"{OPEN}{text}</svg>".encode())


@pytest.mark.parametrize("size", ['viewBox="0 0 {}x 1"', 'width="{}x" height="1"'])
def test_a_number_of_many_digits_is_read_at_once(size: str) -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg" {size.format("1" * 190_000)}/>'
    with pytest.raises(ValueError, match="must have a viewBox"):
        size_of(text.encode())
