"""Toxic language in a text: slurs, insults, threats and sexual abuse, by a list of our own, without a model.

The list is short and exact rather than long: plain swearing, medical and news language are left alone, and most words
count only where they are aimed at someone. English, German, French and Spanish. It misses what is meant but not said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ToxicKind = Literal["slur", "insult", "threat", "sexual"]


@dataclass(frozen=True)
class Toxic:
    """Toxic words: what they are, and how they read without case, accents and disguises."""

    kind: ToxicKind
    words: str


# Below, each line is one pattern; NAME_EN and the like stand for the lists here.
_LISTS = {
    "NAME_EN": "idiots? retards? retarded chinks? morons? imbeciles? losers? pigs? scum trash garbage filth vermin "
    "bitch(?:es)? whores? sluts? bastards? dumb stupid pathetic worthless disgusting useless ugly cockroach(?:es)? "
    "parasites? animals subhuman inferior waste.of.(?:space|air|oxygen|skin) piece.of.(?:shit|crap|trash)",
    "NAME_DE": "idiot(?:en)? trottel vollidiot depp schwein schlampe hure dreck abschaum nutzlos wertlos dumm "
    "widerlich loser",
    "NAME_FR": "idiote?s? tapettes? imbecile debile cretine? con conne ordure pute nulle? porc dechet minable "
    "degoutante?",
    "NAME_ES": "idiota imbecil estupid[oa] tont[oa] basura put[oa] inutil asqueros[oa] cerd[oa] escoria",
    "HOW_EN": "people(?:.are)? just too really so such nothing.but all an? the total complete utter absolute fucking "
    "bloody goddamn damn worthless pathetic stupid ugly disgusting filthy dirty little fat",
    "HOW_DE": "so eine? echt nur einfach d(?:er|ie|as) total dumme[rs]? blode[rs]? verdammte[rs]? letzte[rs]?",
    "HOW_FR": "une? vraiment qu'une? trop gros(?:se)? sale pauvre",
    "HOW_ES": "una? tan muy pur[oa] unos maldit[oa] pedazo.de",
    "GROUP": "jews muslims blacks black.people gays lesbians immigrants refugees women foreigners mexicans arabs "
    "asians christians gypsies trans.people disabled.people old.people whites white.people",
    "FATE": "exterminated eradicated gassed killed shot hanged deported wiped.out burned criminals rapists thieves",
    "HARM": "kill murder shoot stab strangle rape beat burn hurt hang slaughter destroy bury",
    "YOURS": "you u your.family your.(?:kids|children|wife|mother)",
    "SHALL": "'ll 'd.love.to 'm.going.to 'm.gonna 're.going.to .will .am.going.to .are.going.to .gonna .want.to",
}

_PHRASES: dict[ToxicKind, str] = {
    "slur": r"""
        nigg(?:er|a)s?|faggots?|kikes?|spics?|gooks?|trann(?:y|ies)|wetbacks?|ragheads?|pakis?
        towelheads?|sandniggers?|untermensch(?:en)?|subhumans?
        neger|kanaken?|schwuchteln?|zigeunerpack|judensau|spasti
        bougnoules?|negres?|youpins?|maricon(?:es)?|sudacas?|negros? de mierda
        (?:all |the )?GROUP (?:are|(?:should|deserve to|must|need to|ought to) be) (?:HOW_EN ){0,4}(?:NAME_EN|FATE)
        (?:kill|gas|exterminate|i hate|we hate|death to) (?:all |the )?GROUP
        """,
    "insult": r"""
        motherfuckers?|cocksuckers?|cunts?|dipshits?|shitheads?|fuckheads?|fuckwits?|dumbass(?:es)?|assholes?|arseholes?
        scumbags?|douchebags?|arschloch|arschlocher|wichser|hurensohne?|missgeburt(?:en)?|fotzen?|drecksau
        connards?|connasses?|salopes?|encules?|fils de pute|hijos? de puta|gilipollas|cabron(?:es)?|pendej[oa]s?
        malparid[oa]s?|hijueputa
        (?:you are|you're|youre|ur|u are|you were|you) (?:HOW_EN ){0,4}NAME_EN(?! (?:enough|question|mistake|idea))
        shut the (?:fuck|hell) up|go to hell|fuck (?:you|off|u|yourself)|screw you|up yours|eat shit
        suck my (?:dick|cock|balls)|kiss my ass|nobody (?:likes|loves|wants) you|you (?:make|made) me sick
        (?:du bist|ihr seid|du) (?:HOW_DE ){0,3}NAME_DE
        halt (?:die|deine) (?:fresse|klappe|schnauze)|fick dich|verpiss dich|leck mich am arsch
        (?:tu es|t'es|vous etes|espece de|espece d'|sale) ?(?:HOW_FR ){0,3}NAME_FR
        (?:ferme )?ta gueule|va te faire (?:foutre|enculer)|nique ta mere|va chier
        (?:eres|sois|son ustedes) (?:HOW_ES ){0,3}NAME_ES
        vete a la mierda|que te jodan|chinga tu madre|jodete|callate la boca
        """,
    "threat": r"""
        (?:i|we)SHALL (?:\w+ ){0,2}?HARM YOURS
        kill yourself|kys|go (?:and )?die|hope you (?:die|get (?:raped|cancer|killed))|hang yourself|drink bleach
        you (?:should|deserve to|ought to) (?:die|be (?:dead|shot|hanged|raped|killed))|slit your (?:wrists|throat)
        you(?:'re| are) (?:a )?dead (?:man|meat|woman)|watch your back|i know where you live
        the world would be better (?:off )?without you
        ich (?:bringe?|mache?|steche?|schlage?) dich (?:um|kalt|fertig|ab|tot)|bring dich um|geh sterben|verrecke?
        je vais te (?:tuer|buter|crever|frapper|violer)|va (?:mourir|crever)|suicide-toi|tue-toi
        te voy a (?:matar|golpear|violar|romper)|voy a matarte|matate|muerete|ojala te mueras
        """,
    "sexual": r"""
        iSHALL (?:fuck|rape|bang) (?:you|her|him)|(?:gang ?)?rape (?:her|you|him|them)
        send (?:me )?nudes|show me your (?:tits|pussy|dick)|child porn|kiddie porn|preteen (?:sex|nudes?)
        """,
}


def _alternatives(lines: str) -> str:
    """The patterns of some lines as one, the names of lists replaced by them."""
    pattern = "|".join(line.strip() for line in lines.strip().splitlines())
    for name, words in _LISTS.items():
        pattern = pattern.replace(name, f"(?:{'|'.join(words.split()).replace('.', ' ')})")
    return pattern


_PATTERNS = {kind: re.compile(rf"(?<![\w-])(?:{_alternatives(lines)})(?!\w)") for kind, lines in _PHRASES.items()}

_DISGUISED = re.compile(r"(?<![^\W_])[a-z@$][a-z0-9@$]++")
_DISGUISES = str.maketrans("@$01345", "asoieas")
_SPACES = re.compile(r"\s+")


def find_toxic(text: str) -> Iterator[Toxic]:
    """The toxic words of a text, by kind."""
    plain = _plain(text)
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(plain):
            yield Toxic(kind, match[0])


def _plain(text: str) -> str:
    """The text without case and accents, with single spaces, and letters for the signs that stand for them."""
    small = text.casefold().replace("\u2019", "'")
    if not small.isascii():
        small = "".join(each for each in unicodedata.normalize("NFKD", small) if not unicodedata.combining(each))
    return _SPACES.sub(" ", _DISGUISED.sub(lambda match: match[0].translate(_DISGUISES), small))
