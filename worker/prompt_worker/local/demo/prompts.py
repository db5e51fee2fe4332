"""The demonstration's three prompts, each with its variables and the answer that a model might give."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from prompt_worker.local.demo.texts import CLARIFICATION, EXTRACTION, GRADES, INTERESTS, SCRIPT, Topic

# Template name, variables, rendered prompt, answer.
Prompt = tuple[str, dict[str, Any], str, str]


def extraction(topic: Topic, chance: random.Random) -> Prompt:
    """The topics of a student's question."""
    interests = chance.sample(INTERESTS, 2)
    query = chance.choice(topic.queries)
    answer = {
        "topics": [topic.name, topic.part],
        "subject": topic.subject,
        "grade_level": chance.choice((*GRADES, None)),
        "needs_clarification": chance.random() < 0.1,
    }
    prompt = EXTRACTION.format(query=query, interests=", ".join(interests))
    variables = {"student_query": query, "interests": interests}
    return "nlu_topic_extraction", variables, prompt, msgspec.json.encode(answer).decode()


def clarification(topic: Topic, chance: random.Random) -> Prompt:
    """Questions back to a student whose own was vague."""
    interests = chance.sample(INTERESTS, 2)
    query = chance.choice(topic.queries)
    answer = {
        "questions": [
            {
                "question": f"Is it {topic.name} in general that you want, or {topic.part}?",
                "choices": [f"{topic.name} as a whole", topic.part],
            },
            {
                "question": f"Have you met {topic.part} in class, or is it new to you?",
                "choices": ["it came up in class", "it is new to me"],
            },
            {"question": f"Would an example from {interests[0]} help?", "choices": ["yes", "another one"]},
        ]
    }
    prompt = CLARIFICATION.format(query=query, interests=", ".join(interests))
    variables = {"student_query": query, "interests": interests}
    return "clarification_question_generation", variables, prompt, msgspec.json.encode(answer).decode()


def script(topic: Topic, chance: random.Random) -> Prompt:
    """The narration of a video."""
    interests, seconds = chance.sample(INTERESTS, 2), chance.choice([60, 90, 120, 180])
    grade = chance.choice(GRADES)
    variables = {
        "topics": [topic.name, topic.part],
        "rag_context": topic.fact,
        "grade_level": grade,
        "duration_seconds": seconds,
        "interests": interests,
    }
    prompt = SCRIPT.format(
        seconds=seconds,
        words=round(seconds * 2.4),
        grade=grade,
        name=topic.name,
        part=topic.part,
        interests=", ".join(interests),
        fact=topic.fact,
    )
    narration = (
        f"Picture something you know from {interests[0]}. {topic.fact}",
        f"Look closer, and you meet {topic.part}. {topic.fact}",
        f"So that is {topic.name}: what would you try next?",
    )
    answer = {
        "title": topic.name,
        "scenes": [
            {"narration": text, "visual": topic.part, "seconds": seconds // len(narration)}
            for text in narration
        ],
        "key_terms": [topic.part],
    }
    return (
        "educational_script_generation",
        variables,
        prompt,
        msgspec.json.encode(answer).decode(),
    )
