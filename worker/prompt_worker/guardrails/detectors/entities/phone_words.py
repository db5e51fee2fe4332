"""Words beside a phone number in fourteen languages, and words beside numbers that are none."""

from __future__ import annotations

import re

from prompt_worker.guardrails.text.confusables import fold_character

_WORDS = (
    # English
    r"(?:tele)?phones?|tel|call(?:ing|ed)?|mobile|cell(?:phone)?|fax|whats ?app|text(?:ing)? (?:me|him|her|us|them)|dial\w*|"
    r"reach\w*|contact\w*|ring me|answering|hotline|sms|messages? to|"
    r"(?:my|his|her|their|your|our|registered) (?:new )?number|"
    # German, Dutch
    r"telefon\w*|handy\w*|mobil\w*|rufnummer|erreichbar|anrufen|telefoon\w*|mobiel\w*|gsm|bel me|"
    # French
    r"t[ée_]l(?:[ée_]phone\w*)?|portable|joindre|appele[rz]|(?:au|mon|son|notre) num[ée_]ro|"
    # Spanish, Portuguese, Italian
    r"tel[ée_]fono|m[óo_]vil|celular|ll[áa_]m\w+ al|telefone|telem[óo_]vel|ligue|telefono|cellulare|chiam\w+|"
    # Polish, Turkish
    r"numer telefonu|kom[óo_]rk\w+|cep"
)
# Also as they are after folding, which reads Cyrillic letters as the Latin ones that they look like.
_RUSSIAN = ("телефон", "тел", "моб")
_SCRIPTS = "|".join((*_RUSSIAN, *("".join(map(fold_character, word)) for word in _RUSSIAN))) + (
    r"|电话|電話|手机|携帯|전화|휴대폰|هاتف|جوال|फ़?ोन"
)
# Only where the number itself begins as phone numbers do.
_WEAK = r"num[ée_]ro|n[úu_]mero|nummer|numer|number"
_START, _END = r"(?<![^\W\d_])", r"(?![^\W\d_])"
_FILLER = (
    r"(?:</?\w{1,6}>|[^\w\n]|_|\r?\n|(?<![^\W\d_])(?:me|us|him|her|them|back|numbers?|nos?|nr|is|at|on|you|can|the|to|are|was|now|unter|"
    r"al|au|le|op|es|est|ist|sul|ao)(?![^\W\d_])|&\w{2,6};){0,12}\Z"
)
WORD = re.compile(r"[^\W\d_]{2}")
MENTIONED = re.compile(rf"(?i){_START}(?:{_WORDS}){_END}|{_SCRIPTS}")
MENTIONED_RIGHT_BEFORE = re.compile(rf"(?i)(?:{_START}(?:{_WORDS}){_END}|{_SCRIPTS}){_FILLER}")
WEAKLY = re.compile(rf"(?i){_START}(?:{_WEAK}){_END}")
WEAKLY_RIGHT_BEFORE = re.compile(rf"(?i){_START}(?:{_WEAK}){_END}{_FILLER}")
MENTIONED_RIGHT_AFTER = re.compile(
    r"(?i)[ \-,(]{0,3}(?:(?:is|was) (?:my|his|her|their|our) (?:new |phone |cell |mobile |home |work )?(?:number|phone|mobile|cell)"
    r"|office|fax|mobile|cell|home|work|phone)\b"
)
OTHER_NUMBER = re.compile(
    r"(?i)\bisbn|\bissn|\bdoi\b|\bversion\b|\bpages?\b|\bpp?\.|\bcard\b|\bcc\b|\biban\b|\bssn\b|social sec|=|\$|€|£|"
    r"\border\b|\binvoice|\bticket|kundennummer|\bcustomer (?:no|num|id)|\baccount\b|\bref\b|\btracking|\bimei\b|\bean\b|"
    r"\bstudent|\bsku\b|\bepoch|\bratio\b|\bids?\b|\bpmid\b|\bserial\b|\bmodel\b|\bsendung|\busps\b|\bbuild\b"
)
