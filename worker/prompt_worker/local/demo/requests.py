"""What the demonstration asks its three prompts: for each the variables, and the answer that a model might give."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from prompt_worker.local.demo.texts import GRADES, INTERESTS, Topic

# Template name, variables, answer.
Request = tuple[str, dict[str, Any], str]

EXTRACTION = "nlu_topic_extraction"
CLARIFICATION = "clarification_question_generation"
SCRIPT = "educational_script_generation"


def extraction(topic: Topic, chance: random.Random) -> Request:
    """The topics of a student's question."""
    interests = chance.sample(INTERESTS, 2)
    query = chance.choice(topic.queries)
    answer = {
        "topics": [topic.name, topic.part],
        "subject": topic.subject,
        "grade_level": chance.choice((*GRADES, None)),
        "needs_clarification": chance.random() < 0.1,
    }
    variables = {"student_query": query, "interests": interests}
    return EXTRACTION, variables, msgspec.json.encode(answer).decode()


def clarification(topic: Topic, chance: random.Random) -> Request:
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
    variables = {"student_query": query, "interests": interests}
    return CLARIFICATION, variables, msgspec.json.encode(answer).decode()


def script(topic: Topic, chance: random.Random) -> Request:
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
    return SCRIPT, variables, msgspec.json.encode(answer).decode()
