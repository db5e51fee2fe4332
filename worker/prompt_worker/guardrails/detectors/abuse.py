"""Threats, hatred of groups and aimed insults: patterns of whole phrases, where single words would be innocent."""

from __future__ import annotations

from prompt_worker.guardrails.text.patterns import Pattern

THREAT = "violence"
HATRED = "hate_speech"
INSULT = "profanity"

# Scores of patterns: what counts in a lesson too, and what an educational context may excuse.
NEVER_WAIVED, RUDE = 1.0, 0.9

_GROUPS = (
    r"(?:jews?|muslims?|christians?|hindus?|blacks|black people|whites|white people|asians|mexicans|immigrants|migrants|"
    r"refugees|gays|gay people|homosexuals|lesbians|trans people|transgenders?|arabs|indians|africans|hispanics|latinos|"
    r"foreigners|women|females|disabled people|gypsies)"
)
_DO_HARM = r"(?:kill|murder|stab|shoot|strangle|rape|slaughter|behead|lynch|choke|beat|hurt|punch|smash|slap|destroy)"
_WILL = r"(?:(?:i'?m|i am|we'?re|we are) (?:going to|gonna|about to)|i'?ma|i'?ll|i will|we'?ll|we will|i'?d|i (?:want|wanna|need)(?: to)?|gonna)"
_SOMEBODY = r"(?:you|u|ya|him|her|everyone|everybody|(?:your|his|her|their) (?:family|mother|mom|kids?|children|face|whole family))"
_BAD_NAME = (
    r"(?:idiots?|morons?|imbeciles?|losers?|retards?|scum(?:bags?)?|pigs?|creeps?|freaks?|clowns?|cowards?|fools?|jerks?|"
    r"dimwits?|half-?wits?|nitwits?|parasites?|low-?lifes?|degenerates?|perverts?|psychos?|rats?|cockroach(?:es)?|trash|"
    r"garbage|vermin|filth|waste of (?:space|oxygen|air|skin|time)|piece of (?:shit|trash|garbage|crap)|disgrace|failure|"
    r"joke|worm|snake|dog|cow|animals?)"
)
_BAD = (
    r"(?:stupid|dumb|pathetic|worthless|ugly|disgusting|fat|brainless|ignorant|clueless|retarded|filthy|useless|"
    r"miserable|idiotic|moronic|fucking|damn|bloody|total|complete|absolute|utter|little|such|an?|real|freaking|lazy)"
)

ABUSE = (
    Pattern(THREAT, rf"\b{_WILL} (?:\w+ ){{0,2}}{_DO_HARM} {_SOMEBODY}\b", NEVER_WAIVED),
    Pattern(THREAT, r"\b(?:kill|hang|shoot|cut|neck|drown) (?:your|ur) ?sel(?:f|ves)\b", NEVER_WAIVED),
    Pattern(
        THREAT,
        r"\b(?:go|just|please|plz) (?:and )?(?:die|kys)\b(?: in|,|\.|!|$| you| already| now)",
        NEVER_WAIVED,
    ),
    Pattern(
        THREAT,
        r"\b(?:you|u|y'all) (?:all )?(?:should|deserve to|need to|oughta) (?:all )?(?:just )?(?:die|burn|rot|suffer|hang|be (?:killed|shot|hanged|hung|lynched|raped|beaten|gassed))\b",
        NEVER_WAIVED,
    ),
    Pattern(
        THREAT,
        rf"\b{_GROUPS} (?:all )?(?:should|deserve to|need to|must) (?:all )?(?:die|burn|be (?:killed|shot|hanged|lynched|exterminated|gassed|wiped out))\b",
        NEVER_WAIVED,
    ),
    Pattern(
        THREAT,
        r"\bi (?:really )?(?:hope|wish|want) (?:that )?(?:you|u|they|he|she)(?: all)? (?:to )?(?:dies?|get (?:killed|shot|raped|cancer|hit by)|burn|rot|suffer|choke)\b",
        NEVER_WAIVED,
    ),
    Pattern(
        THREAT,
        r"\b(?:i|we)(?:'m|'ll|'re| am| are| will| want to)? (?:going to |gonna |about to |will )?(?:shoot up|blow up|bomb|burn down) (?:the|this|that|my|your|our) \w+\b",
        NEVER_WAIVED,
    ),
    Pattern(
        THREAT,
        r"\byou(?:'re| are|r) (?:a )?dead (?:man|meat|woman)\b|\bi know where you live\b|\bi(?:'ll| will) (?:find|hunt) you\b",
        NEVER_WAIVED,
    ),
    Pattern(
        HATRED,
        rf"\b(?:i|we|everyone should|let'?s) (?:\w+ )?(?:hate|despise|detest|loathe) (?:all )?(?:the |these |those )?(?:\w+ )?{_GROUPS}\b",
        RUDE,
    ),
    Pattern(
        HATRED,
        rf"\b(?:we|you|they|someone|somebody|let'?s|just)(?: (?:should|must|need to|have to|ought to|gotta|all))* (?:kill|exterminate|gas|deport|lynch|burn|eradicate|get rid of|ban|shoot) (?:all|every|the|those|these)(?: of)?(?: the| those| these)? (?:\w+ )?{_GROUPS}\b",
        RUDE,
    ),
    Pattern(
        HATRED,
        rf"\b{_GROUPS} (?:are|r) (?:all )?(?:just )?(?:nothing but )?(?:an? )?(?:\w+ )?(?:vermin|animals|subhumans?|scum|filth|filthy|parasites?|cockroaches|rats|apes|monkeys|inferior|disgusting|disease|trash|garbage|criminals|terrorists|rapists|savages|stupid|dumb|evil|whores|sluts|worthless)\b",
        RUDE,
    ),
    Pattern(
        INSULT,
        rf"\b(?:you|u|ur|you'?re|you are|he is|he'?s|she is|she'?s|they are|they'?re) (?:\w+ly )?(?:{_BAD} ){{1,4}}{_BAD_NAME}\b",
        RUDE,
    ),
    Pattern(
        INSULT,
        rf"\b(?:you|u) (?:{_BAD} ){{0,3}}(?:idiots?|morons?|imbeciles?|retards?|scum(?:bags?)?|losers?|dimwits?)\b",
        RUDE,
    ),
    Pattern(
        INSULT,
        r"\b(?:you|u|ur|you'?re|you are) (?:all )?(?:so |such |just |too |really |fucking |very )*(?:stupid|dumb|pathetic|worthless|ugly|disgusting|brainless|retarded|useless|moronic)\b",
        RUDE,
    ),
    Pattern(
        INSULT,
        r"\bshut (?:the (?:hell|fuck|f) )?up(?:,? (?:you|bitch|idiot|moron|stupid|loser)|[!.]*$)|\b(?:screw|damn|curse) you\b|\bgo to hell\b|\bnobody (?:likes|loves|wants) you\b",
        RUDE,
    ),
)
