"""Which characters look like which: look-alikes of Latin letters, invisible characters, leet.

The pairs are a small part of what Unicode Technical Standard 39 calls confusables; decompositions are NFKD's (UAX 15).
"""

from __future__ import annotations

import unicodedata

_LOOK_ALIKES = (
    # Cyrillic
    "аa вb еe зz иu кk мm нh оo пn рp сc тt уy хx ьb ѕs іi јj һh ԁd ԛq ԝw қk ӏl гr "
    "АA ВB ЕE ЗZ КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS ԌG ԜW ӀI "
    # Greek
    "αa βb γy εe ηn ιi κk νv οo ρp σo ςc τt υu χx ωw ϲc ϳj μu "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX "
    # Latin: small capitals, letters without a dot, with a stroke, IPA
    "ıi ȷj ɑa ɡg ɩi ʟl ɪi ɴn ʀr ʏy ᴀa ʙb ᴄc ᴅd ᴇe ғf ɢg ʜh ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꜱs øo łl đd ħh ŧt ƒf "
    # Armenian and Cherokee capitals and small letters that look Latin
    "օo սu հh ոn ցg Ꭺa Ꭼe Ꮋh Ꮖi Ꭻj Ꮶk Ꮇm Ꮲp Ꮪs Ꭲt Ꮩv Ꮃw "
    # Dashes, quotes, slashes
    "‐- ‑- ‒- –- —- ―- −- ﹣- ‘' ’' ‚' ‛' “\" ”\" „\" ⁄/ ∕/ ∣| ․. ﹒."
)
_PAIRS = {pair[0]: pair[1:] for pair in _LOOK_ALIKES.split(" ") if len(pair) == 2}
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters that show nothing
_KEPT_CONTROLS = "\t\n\r"
_DROPPED = ("Cf", "Cc", "Mn", "Me")

TAG_FIRST, TAG_LAST = 0xE0020, 0xE007E  # Unicode's tags: an invisible copy of ASCII


def fold_character(character: str) -> str:
    """The plain characters that `character` looks like: none where it is invisible, several for a ligature."""
    if character in _PAIRS:
        return _PAIRS[character]
    if character in _BLANK_LETTERS:
        return ""
    folded = []
    for part in unicodedata.normalize("NFKD", character):
        category = unicodedata.category(part)
        if category == "Cs":
            folded.append("\N{REPLACEMENT CHARACTER}")
        elif category in ("Zl", "Zp") or part == "\x85":
            folded.append("\n")
        elif category == "Nd":
            folded.append(str(unicodedata.decimal(part)))
        elif category not in _DROPPED or part in _KEPT_CONTROLS:
            folded.append(_PAIRS.get(part, part))
    return "".join(folded)


class _Fold(dict[int, str]):
    """A table for `str.translate` that fills itself with the characters it meets, up to a limit."""

    def __missing__(self, code: int) -> str:
        if len(self) >= 20_000:
            self.clear()
        self[code] = folded = fold_character(chr(code))
        return folded


FOLD = _Fold()

LEET = str.maketrans("0134578@$!|", "oieastbasii")
