"""Two hundred texts on which tokenizers are compared: prose, code, numbers, scripts, emoji, white space.

All are in Unicode's composed form (NFC), which is what people type: some tokenizers compose a text first, llama.cpp
never does.
"""

from __future__ import annotations

import random
import unicodedata

COUNT = 200

_PROSE = (
    "The fire had burned low, and nobody got up to feed it.",
    "She's certain they'll say it wasn't theirs; we'd've known, wouldn't we?",
    "IT'S WHAT THEY'RE SAYING: DON'T, CAN'T, WON'T, I'M, YOU'LL, WE'VE, HE'D.",
    'A well-known, state-of-the-art (so-called) method... isn\'t it?! -- Yes: "quite".',
    "Dr. Weber paid 3,50 € for 1.5 l of milk @ 12:30 p.m. on 2024-02-29.",
    "naïve café crème brûlée, Ångström, façade, jalapeño, Straße, œuvre, Łódź, İstanbul",
    "one\ntwo\n\nthree\n\n\nfour\r\nfive\r\n\r\nsix\tseven\t\teight",
    "# Heading\n\n- item *one*\n- item **two**\n\n1. first\n2. second\n\n> quoted\n\n| a | b |\n|---|---|\n",
    "He said: \u201cno\u201d \u2014 and \u2018that\u2019 was\u2026 that \u2013 \u00abfini\u00bb.",
    "https://example.org/a/b?c=d&e=%20f#g mail me: someone@example.org",
)
_CODE = (
    'def add(a: int, b: int = 0) -> int:\n    """Sum."""\n    return a + b  # fine\n',
    "class Node:\n\tdef __init__(self):\n\t\tself.next = None\n\t\tself.value = {'k': [1, 2, 3]}\n",
    "for (int i = 0; i < n; ++i) { sum += x[i] * 0x1F; }\n",
    "SELECT name, COUNT(*) FROM people WHERE age >= 18 GROUP BY name HAVING COUNT(*) > 1;",
    '{"name": "Ada", "tags": ["x", "y"], "nested": {"ok": true, "n": null, "v": -1.5e-3}}',
    '<div class="a b"><p>Text &amp; more</p><!-- note --></div>',
    "#!/bin/sh\nset -eu\nfind . -name '*.py' | xargs -n1 wc -l | sort -rn | head -20\n",
    'fn main() -> Result<(), Box<dyn Error>> {\n    println!("{:?}", vec![1u8; 3]);\n    Ok(())\n}\n',
    "const f = async (x) => { await y?.z ?? `t${x}`; };\n",
    "\\begin{equation}\n  \\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}\n\\end{equation}\n",
)
_SCRIPTS = (
    "Der Fuchs läuft über die Brücke.",
    "Le garçon a reçu une lettre à Noël.",
    "El niño comió piñones en la montaña.",
    "Быстрая лиса прыгает через собаку, и никто не удивлён.",
    "Η γρήγορη αλεπού πηδά πάνω από το σκυλί.",
    "השועל המהיר קופץ מעל הכלב.",
    "الثعلب السريع يقفز فوق الكلب الكسول.",
    "तेज़ लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "দ্রুত শিয়াল কুকুরের উপর লাফ দেয়।",
    "விரைவான நரி நாயின் மேல் குதிக்கிறது.",
    "สุนัขจิ้งจอกกระโดดข้ามสุนัข",
    "敏捷的狐狸跳过了懒狗。今天是二〇二四年。",
    "素早い狐がのろまな犬を飛び越える。カタカナとひらがな、漢字。",
    "빠른 여우가 게으른 개를 뛰어넘습니다.",
    "Con cáo nhanh nhẹn nhảy qua con chó lười.",
    "სწრაფი მელა ძაღლს გადაახტა.",
    "Արագ աղվեսը ցատկում է շան վրայով։",
    "ፈጣኑ ቀበሮ በውሻው ላይ ዘለለ።",
    "မြန်ဆန်သော မြေခွေး",
    "Żółta gęś, příliš žluťoučký kůň, hızlı tilki şöyle.",
)
_SIGNS = (
    "🔥 and 🍮 and 👍🏽 and 👩‍👩‍👧‍👦 and 🇩🇪🇯🇵 and ✅❌ and 🧑🏿‍🚀!",
    "😀😃😄 🎉🎉🎉🎉 ❤️ ☕️ ⚠️ 1️⃣",
    "∑ₙ₌₁^∞ 1/n² = π²/6 ≈ 1.645; x ∈ ℝ, ∀ε>0 ∃δ: ¬(a∧b) ⇔ ¬a∨¬b",
    "→ ← ↑ ↓ ⇒ ■ □ ▲ ● ★ ☆ ♥ ♪ © ® ™ § ¶ † ‡ • … ‰ ′ ″",
    "½ ¾ ² ³ ₁ ₂ Ⅷ ① ㊗ № ℃ ﹪",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒽𝑒𝓇𝑒 𝟙𝟚𝟛 𓀀𓂀 𐍈 𝄞",
    "\u00a0no\u00a0break\u00a0 \u2003em\u2003 \u3000wide\u3000 \u200bzero\u200b \ufeffmark",
    "०१२३ ٠١٢٣ ۴۵۶ ๗๘๙ １２３ ௧௨",
    "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./ ~~ ## $$ %% ^^ && ** (( )) __ ++ == ;; '' \"\"",
    "\x01\x02 \x7f \x1b[31mred\x1b[0m",
)
_WORDS = (
    *("a", "to", "time", "under", "hearth", "Ember-lit", "winter", "kindling"),
    *("ISO9001", "iPhone", "x2y", "snake_case", "camelCase", "HTTPServer", "don't"),
)
_SPACES = (
    " ",
    "  ",
    "   ",
    "\t",
    "\n",
    "\n\n",
    " \n",
    "\n ",
    "    ",
    "\t\t",
    "\r\n",
    " " * 8,
    " " * 17,
    "\n" * 5,
    " \t \n",
)


def texts() -> tuple[str, ...]:
    """The two hundred texts, always the same."""
    source = random.Random(20)
    written = [*_PROSE, *_CODE, *_SCRIPTS, *_SIGNS]
    written += [f" {text}" for text in (*_PROSE[:3], *_SCRIPTS[:2])]
    written += [f"{text}  \n" for text in (*_CODE[:3], *_SCRIPTS[10:12])]
    written += ["a", " ", "  ", "\n", "0", "é", "你", "🔥", " a", "a ", "\n\n\n", "\t", " \n \n", "A" * 40, "ab" * 30]
    written += [_number(source) for _ in range(30)]
    written += ["".join(source.choice((*_WORDS, *_SPACES)) for _ in range(14)) for _ in range(40)]
    while len(written) < COUNT:
        pieces = [source.choice((*_PROSE, *_CODE, *_SCRIPTS, *_SIGNS)) for _ in range(2)]
        cut = [piece[source.randrange(len(piece)) :] for piece in pieces]
        written.append(source.choice(_SPACES).join(cut))
    return tuple(unicodedata.normalize("NFC", text) for text in written[:COUNT])


def _number(source: random.Random) -> str:
    """Numbers as they are written."""
    digits = "".join(source.choice("0123456789") for _ in range(source.randrange(1, 13)))
    form = source.choice(("{}", "-{}", "{}.5", "{}%", "v{}.0", "x{}y", "{} 000", "({})", "+{}e-7", "#{}:{}"))
    return form.replace("{}", digits)
