"""HTML: the main text, without what stands around it."""

from __future__ import annotations

from made_documents import outline

from rag.loaders import html


def test_html_keeps_the_main_text_only() -> None:
    page = b"""<html><head><title>Owls &amp; co</title><style>p{}</style></head><body><nav>Home About</nav>
      <main><h1>Owls</h1><p>They <b>nest</b>\n in barns.<br><br>And hunt.</p><script>alert(1)</script>
      <ul><li>barn owl</li><li>tawny owl</li></ul><pre>a\n  b</pre><div hidden>secret</div>
      <table><caption>Weights</caption><tr><th>kind</th><th>weight</th></tr><tr><td>barn</td><td>500 g</td></tr></table>
      </main><footer>Imprint</footer></body></html>"""
    document = html.load("owls.html", page)
    assert document.title == "Owls & co"
    assert outline(document) == [
        (1, "Owls"),
        (0, "They nest in barns."),
        (0, "And hunt."),
        (0, "barn owl"),
        (0, "tawny owl"),
        (0, "a\n  b"),
        (0, "Weights\nkind | weight\nbarn | 500 g"),
    ]


def test_furniture_is_told_by_its_names_and_by_its_links() -> None:
    languages = "".join(f"<li><a href=/{number}>Sprache {number}</a></li>" for number in range(12))
    sources = "".join(f"<li><a href=/{number}>A book</a>, of which much could be said</li>" for number in range(12))
    page = f"""<div class="site-nav">Start</div><div role="navigation">Up</div><div id="breadcrumbs">You are here</div>
      <ul>{languages}</ul><p class="navy menudo">Text that stays, and more text so that the page has some of it.</p>
      <ol>{sources}</ol><div class="cookie-banner">We value your privacy</div>"""
    text = html.load("a.html", page.encode()).text
    assert text.startswith("Text that stays")
    assert text.endswith("much could be said")
    assert "Sprache" not in text


def test_a_page_that_is_called_a_menu_throughout_is_kept() -> None:
    assert html.load("a.html", b'<body class="menu"><div class="menu">Soup, 4 euros</div>').text == "Soup, 4 euros"


def test_a_table_that_arranges_the_page_is_read_as_text() -> None:
    essay = "A sentence of the essay. " * 50
    page = f"<table><tr><td>logo</td><td>{essay}<br><br>{essay}</td></tr></table>"
    assert [text for _, text in outline(html.load("a.html", page.encode()))] == ["logo", essay.strip(), essay.strip()]


def test_items_of_a_numbered_list_have_their_numbers() -> None:
    page = b"<ol start=3><li><p>light</p></li><li>feed<ol><li>birch</li></ol></li></ol><ul><li>rest</li></ul>"
    assert html.load("a.html", page).text.split("\n\n") == ["3. light", "4. feed", "1. birch", "rest"]


def test_a_cell_over_several_rows_is_in_each() -> None:
    page = b"""<table><tr><th>year<th>month<th>sold</tr><tr><td rowspan=2>2025<td>May<td>3</tr><tr><td>June<td>4</tr>
      <tr><td colspan=2>in all<td>7</tr></table>"""
    assert html.load("a.html", page).text == "year | month | sold\n2025 | May | 3\n2025 | June | 4\nin all | 7"


def test_html_in_another_encoding_and_nested_deep() -> None:
    assert html.load("a.html", '<meta charset="cp1252"><p>Café'.encode("cp1252")).text == "Café"
    assert html.load("a.html", "<p>Café".encode("utf-16")).text == "Café"
    assert "deep" in html.load("a.html", b"<div>" * 5000 + b"deep").text
