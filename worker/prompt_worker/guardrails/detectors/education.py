"""Whether a text is from a lesson: words of teaching, and of the subjects that share words with the lexicons."""

from __future__ import annotations

import re2

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.never_capture = True

_TEACHING = re2.compile(
    r"\b(?:explain|describe|define|discuss|summari[sz]e|compare|analy[sz]e|essay|chapter|textbook|lesson|homework|curriculum|"
    r"students?|pupils?|teacher|classroom|quiz|exam|grade \d|worksheet|according to|which|what (?:is|are|was|"
    r"were|does|did)|how (?:do|does|did|many|much)|why (?:is|are|was|were|do|does|did)|research|study|studies|theory|"
    r"literature|novel|poem|author|character|definition|example|learn(?:ing)?|teach(?:ing)?)\b",
    _OPTIONS,
)
_SUBJECT = re2.compile(
    r"\b(?:biolog\w*|anatom\w*|reproduct\w*|puberty|contracepti\w*|pregnan\w*|sexual(?:ly)? (?:health|education|reproduction|"
    r"transmitted|orientation)|hormones?|cells?|organs?|vaccin\w*|virus\w*|disease|infection|medic\w*|histor\w*|wars?|battle|"
    r"genocide|holocaust|slavery|slaves|colonial\w*|civil rights|racis[mt]\w*|segregation|revolution|empire|century|treaty|"
    r"religio\w*|sociolog\w*|psycholog\w*|politic\w*|government|law|shakespeare|mammals?|species|animals?|evolution|"
    r"chemistry|physics|mathemat\w*|nutrition|diet|ecology|farming|agricultur\w*|mythology|philosoph\w*)\b",
    _OPTIONS,
)


def is_educational(text: str) -> bool:
    """Whether it has both: the language of teaching and a subject that is taught."""
    return _TEACHING.search(text) is not None and _SUBJECT.search(text) is not None
