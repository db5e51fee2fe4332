"""What models answer in a school, made from templates: questions back, explanations, scripts, feedback, JSON, code."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

_TOPICS = (
    ("volcanoes", "magma", "geology"),
    ("the solar system", "orbits", "astronomy"),
    ("magnetism", "poles", "physics"),
    ("the Roman Empire", "the Senate", "history"),
    ("percentages", "interest", "mathematics"),
    ("triangles", "the Pythagorean theorem", "geometry"),
    ("the heart", "blood vessels", "biology"),
    ("evolution", "natural selection", "biology"),
    ("the periodic table", "noble gases", "chemistry"),
    ("sonnets", "rhyme", "literature"),
    ("the past tense", "irregular verbs", "grammar"),
    ("sound", "frequency", "physics"),
    ("the Renaissance", "perspective", "art"),
    ("supply and demand", "prices", "economics"),
    ("loops", "variables", "computer science"),
    ("the rain forest", "food chains", "ecology"),
    ("decimals", "place value", "mathematics"),
    ("the Industrial Revolution", "steam engines", "history"),
    ("light", "refraction", "physics"),
    ("rivers", "erosion", "geography"),
    ("democracy", "elections", "civics"),
    ("rhythm", "time signatures", "music"),
    ("quadratic equations", "roots", "algebra"),
    ("genes", "DNA", "biology"),
    ("the Cold War", "the Berlin Wall", "history"),
    ("averages", "the median", "statistics"),
)
_LIKES = (
    "tennis",
    "basketball",
    "cooking",
    "dancing",
    "drama",
    "trains",
    "dinosaurs",
    "painting",
    "cycling",
    "anime",
)

_QUESTIONS = (
    "Do you want an overview of {topic}, or only the part about {part}?",
    "Which do you need more: what {part} means, or how it is used in {subject}?",
    "Is this for a test, for homework, or are you just curious?",
    "Have you already heard of {part}, or should we start at the beginning?",
    "Are you new to {topic}, or did you see {part} in class before?",
    "Would it help to use {like} as an example?",
    "Shall I explain {topic} with an example from {like}?",
    "What do you know about {topic} so far?",
    "What exactly about {topic} is not clear to you?",
    "Should the answer be short, or would you like each step?",
    "Do you mean {topic} in {subject}, or something else?",
    "Could you tell me which part of {topic} you are working on?",
    "How deep should we go: a first idea, or with formulas?",
    "Which of these comes closest to your question?",
    "Can you say it in your own words first?",
    "Your turn: what would you do first?",
    "So, what do you want to look at now?",
    "What would you like to try with {part}?",
)
_OPENINGS = (
    "Great question!",
    "Good thinking.",
    "Sure, let us look at {topic}.",
    "Of course! Here is a short explanation.",
    "Here is what you asked for.",
    "Let's go through it step by step.",
    "That is a common mistake, so do not worry.",
    "Happy to help with {subject}.",
    "You are on the right track.",
    "Well done, that is almost right.",
    "I am not sure what you mean, so here are two questions.",
    "I'm sorry, I cannot help with that, but I can explain {topic}.",
    "I do not have enough information to answer this.",
    "The source does not say anything about {part}.",
)
_SENTENCES = (
    "Imagine that you watch {like} and ask yourself what it has to do with {topic}.",
    "Think of {like}: you have seen {part} there without knowing its name.",
    "Picture this: it is early morning, and you are on your way to {like}.",
    "Have you ever wondered why {topic} matter so much in {subject}?",
    "Today we find out what {part} has to do with {like}.",
    "Look at the picture and you can see {part}.",
    "Take a closer look, and you will notice {part}.",
    "So what is {part}? It is the idea that holds {topic} together.",
    "This is what people call {part}.",
    "Now you know what {topic} means: can you find an example yourself?",
    "That was {topic} in {n} seconds. What will you look at next?",
    "And that is how {topic} works, from the first step to the last.",
    "In short, {topic} and {part} belong together.",
    "To sum up, you have learned three things about {topic}.",
    "Try it at home and tell your class what you found.",
    "In {subject}, the word {part} has a special meaning.",
    "First we write down what is given, then what we look for.",
    "Start with {n}, add {m}, and you get the result.",
    "The answer is {n}, because {m} of them were taken away.",
    "Divide both sides by {n} and the equation becomes simple.",
    "Check your result: if you put {n} in, both sides are the same.",
    "Remember to write the unit after the number.",
    "Your essay has a clear opening, but the second part needs an example.",
    "You explain {part} well; the ending could be a little shorter.",
    "I would change the order of the last two sentences.",
    "There are {n} reasons for this, and the first is the most important one.",
    "Most people first meet {topic} at school, in {subject}.",
    "It was discovered in {year} and changed the way people saw the world.",
    "Scientists still do not agree on how {part} began.",
    "It takes about {n} minutes until you can see a difference.",
    "On the one hand it is cheap, on the other hand it takes more time.",
    "The main character does not know what the reader knows already.",
    "Both words sound alike, yet they are written in different ways.",
    "For example, {like} shows the same pattern on a small scale.",
    "You can skip this part if you know {topic} already.",
    "Ask your teacher if you would like to know more about {part}.",
    "If you get stuck, go back to the second step and try again.",
    "What would happen if there were no {part} at all?",
    "Next time we will talk about {topic} and what follows from it.",
    "Note that the instructions in your book use another letter for it.",
    "The rules are the same as for whole numbers.",
    "Let me know whether this helps, or ask me something else.",
)
_CODE = (
    "def area(width, height):\n    return width * height\n\nprint(area({n}, {m}))",
    "for i in range({n}):\n    if i % 2 == 0:\n        print(i)",
    "let total = 0;\nfor (const price of prices) {{\n  total += price;\n}}\nconsole.log(total);",
    "SELECT name, count(*) FROM students GROUP BY name ORDER BY name;",
    "| step | what | result |\n| --- | --- | --- |\n| 1 | add | {n} |\n| 2 | divide | {m} |",
    "x = {n}y + {m}\n2x - y = {m}\n=> y = ({m} - 2 * {m}) / (2 * {n} - 1)",
    "({n} + {m}) * 2 = 2 * {n} + 2 * {m}",
    "{n} / {m} = 0.{n}{m}, rounded to two places 0.{n}",
    "a) {n}   b) {m}   c) none of these",
)


def answers(seed: int) -> Iterator[str]:
    """Texts as models write them; the same at every training."""
    choose = random.Random(seed)
    for _ in range(60):
        for template in (*_QUESTIONS, *_OPENINGS, *_SENTENCES):
            if choose.random() < 0.25:
                yield _fill(template, choose)
    for _ in range(700):
        yield " ".join(_some(choose, _OPENINGS, 1) + _some(choose, _SENTENCES, choose.randint(1, 5)))
        yield json.dumps(_document(choose), ensure_ascii=False, indent=choose.choice((None, None, 2)))
    for _ in range(300):
        yield "\n".join(f"{mark}{text}" for mark, text in _list(choose))
        yield _fill(choose.choice(_CODE), choose)


def _list(choose: random.Random) -> Iterator[tuple[str, str]]:
    yield "", _some(choose, _OPENINGS, 1)[0]
    marks = choose.choice(
        (("- ",) * 5, ("* ",) * 5, ("1. ", "2. ", "3. ", "4. ", "5. "), ("## ", "", "", "## ", ""))
    )
    yield from zip(marks, _some(choose, (*_SENTENCES, *_QUESTIONS), choose.randint(2, 5)), strict=False)


def _document(choose: random.Random) -> object:
    topic, part, subject = choose.choice(_TOPICS)
    return choose.choice(
        (
            {"topics": [topic, part], "subject": subject, "confidence": choose.randint(50, 99) / 100},
            {"topics": [topic], "subject": subject, "grade_level": f"grade {choose.randint(3, 12)}"},
            {"topics": [], "subject": None, "needs_clarification": True},
            {"questions": _some(choose, _QUESTIONS, 3)},
            {"questions": [{"question": text, "choices": [topic, part]} for text in _some(choose, _QUESTIONS, 2)]},
            {"title": topic, "scenes": [_scene(part, choose) for _ in range(3)], "key_terms": [part]},
            {"scenes": [_scene(part, choose) for _ in range(2)]},
            {"answer": " ".join(_some(choose, _SENTENCES, 2)), "sources": [], "score": choose.randint(0, 10)},
            {"question": _some(choose, _QUESTIONS, 1)[0], "options": ["yes", "no", "not sure"], "correct": 1},
            {"feedback": _some(choose, _SENTENCES, 2), "grade": choose.choice("ABCD"), "next_step": part},
            {"error": None, "summary": _some(choose, _SENTENCES, 1)[0], "language": "en"},
        )
    )  # fmt: skip


def _scene(part: str, choose: random.Random) -> dict[str, object]:
    return {"narration": _some(choose, _SENTENCES, 1)[0], "visual": part, "seconds": choose.randint(5, 60)}


def _some(choose: random.Random, templates: tuple[str, ...], count: int) -> list[str]:
    return [_fill(template, choose) for template in choose.sample(templates, count)]


def _fill(template: str, choose: random.Random) -> str:
    topic, part, subject = choose.choice(_TOPICS)
    return template.format(
        topic=topic,
        part=part,
        subject=subject,
        like=choose.choice(_LIKES),
        n=choose.randint(2, 90),
        m=choose.randint(2, 90),
        year=choose.randint(1400, 2020),
    )
