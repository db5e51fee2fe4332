"""Attempts to override a prompt: patterns of whole phrases that ordinary questions do not contain."""

from __future__ import annotations

from prompt_worker.guardrails.text.patterns import Pattern

RULE = "override"
EXTRACTION = "prompt_extraction"
ROLE = "unrestricted_role"
MARKUP = "forged_markup"

_DROP = r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|overrid(?:e|ing)|bypass(?:ing)?|neglect|skip|drop|discard|dismiss|do not follow|don'?t follow|stop following)"
_WHOSE = r"(?:(?:all|any|every|everything|the|your|my|its|these|those|this|of|previous|prior|above|earlier|preceding|former|past|foregoing|existing|current|original|initial|system|safety|other) ?){1,6}"
_ORDERS = r"(?:instructions?|directions?|directives?|commands?|prompts?|rules?|guidelines?|orders|constraints|restrictions|programming|training|guardrails?|safeguards?)"
_YOURS = (
    r"(?:your|the|its|all|any|this|initial|original|hidden|secret|full|entire|complete|exact|above|whole)"
)
_SHOW = r"(?:reveal|show|print|display|output|repeat|tell me|give me|share|expose|leak|disclose|dump|recite|write out|what (?:is|are|was|were))"

OVERRIDES = (
    Pattern(RULE, rf"\b{_DROP} (?:{_WHOSE})?{_ORDERS}\b", 0.95),
    Pattern(
        RULE,
        rf"\b{_DROP} (?:everything|anything|all|whatever) (?:(?:that|which|you|i|we|was|were|have|has|had|been|told|said|written|instructed|know|learned)\s){{0,5}}(?:above|before|previously|prior|earlier|so far|until now|up to (?:now|here))\b",
        0.95,
    ),
    Pattern(
        RULE, r"\b(?:new|updated|real|actual|additional) (?:system )?instructions?(?: are| follow)?:", 0.9
    ),
    Pattern(
        RULE,
        r"\b(?:vergiss|vergessen sie|ignoriere?n?(?: sie)?|missachten?(?: sie)?) (?:\pL+ ){0,5}?(?:alles|alle|vorherigen?|bisherigen?|obigen?|vorangegangenen?|davor|anweisungen|instruktionen|anordnungen|befehle)\b",
        0.9,
    ),
    Pattern(
        RULE,
        r"\b(?:ignora|olvida|omite|ignore|oublie[zr]?|ignorez|dimentica|esque[cç]a) (?:\pL+ ){0,4}(?:instrucciones|instructions pr[ée]c[ée]dentes|indicaciones|[óo]rdenes|istruzioni|instru[cç][õo]es|consignes)\b",
        0.9,
    ),
    Pattern(
        EXTRACTION,
        rf"\b{_SHOW} (?:me |us )?(?:{_YOURS} ){{1,3}}(?:system|initial|hidden|secret|original|developer|base) ?(?:prompt|message|instructions?|rules|configuration)s?\b",
        0.9,
    ),
    Pattern(
        EXTRACTION,
        rf"\b(?:reveal|print|output|repeat|expose|leak|disclose|dump|recite) (?:me |us )?(?:{_YOURS} ){{1,3}}(?:prompt|instructions|guidelines|configuration)\b",
        0.85,
    ),
    Pattern(
        EXTRACTION,
        r"\b(?:repeat|print|output|copy|recite) (?:\w+ ){0,3}(?:text|words|everything|sentences?|content) (?:\w+ )?above\b",
        0.85,
    ),
    Pattern(
        ROLE,
        r"\byou are (?:now |no longer )?(?:in )?(?:dan\b|do anything now|developer mode|dev mode|god mode|jailbroken|unrestricted|unfiltered|uncensored|free from (?:all )?(?:rules|restrictions))",
        0.9,
    ),
    Pattern(
        ROLE,
        r"\b(?:pretend|act|behave|respond|answer|roleplay)(?: as if| as though| like| that|ing)? (?:you )?(?:have|had|are|were|with) (?:no|without|free (?:of|from)) (?:any )?(?:restrictions|rules|filters?|limits|limitations|guidelines|ethics|constraints)\b",
        0.9,
    ),
    Pattern(
        ROLE,
        r"\b(?:enable|activate|enter|switch to|turn on) (?:\w+ )?(?:developer|debug|god|jailbreak|admin|unrestricted|dan|sudo) mode\b",
        0.9,
    ),
    Pattern(
        MARKUP,
        r"<\|?(?:im_start|im_end|system|endoftext|/?inst)\|?>|\[/?INST\]|<</?SYS>>|###? ?(?:system|new instructions?):|-{3,} ?end of (?:system )?(?:prompt|instructions)",
        0.85,
    ),
)
