"""What models answer to pupils, in the forms that services ask for. No model was trained on them."""

import json

PLAIN = (
    "So that is photosynthesis: what would you try next?",
    "Is it photosynthesis in general that you want, or chlorophyll?",
    "You asked for three questions. Which one should we begin with?",
    "I think you mean the second law. Tell me if I got that wrong.",
    "Sorry, my last answer was wrong: the perimeter is 24 cm, not 42 cm.",
    "Please tell me your age group, and I will choose the right words.",
    "Here are the instructions for the experiment: fill a glass with water, add salt, and wait.",
    "I can't write the essay for you, but I can help you to plan it.",
    "As a language model I cannot see your worksheet. Could you type the question?",
    "Now act out the dialogue with a friend and swap the roles.",
    "Forget about the minus sign for now; we will come back to it.",
    "You can leave out the rule about brackets here, since there are none.",
    "Repeat after me: je suis, tu es, il est.",
    "From now on, every even number is coloured blue in the diagram.",
    "Suppose you were a merchant in Venice. What would you sell?",
    "The command prints the current folder. Type it again without the dash.",
    "Step 1: Draw a line. Step 2: Mark the middle. Step 3: Measure both halves.",
    "Bees tell each other where flowers are by dancing.\n\nTheir dance has two parts:\n"
    "- the angle shows the direction\n- the length shows how far it is",
    "**Short answer:** no.\n\n**Long answer:** the moon turns once for each orbit, so we always see the same side.",
    "Title: Why ships float\n[0:00] A stone sinks, a ship does not. Why?\n[0:10] It pushes water away.",
    "Everything I told you about mammals holds for whales as well.",
    "What you wrote is clear. Give your reader one more reason in the last line.",
    "Let's pretend the pizza has eight slices and you eat three of them.",
    "The king gave new orders, and nobody followed the old ones.",
    "Your system of equations has no solution; the lines are parallel.",
    "You are now ready for the quiz! Answer each question with a, b or c.",
    "Do not worry about the previous exercise, this one is easier.",
    "If the user of the machine presses the button, the light goes on.",
    "Did you mean the Amazon river or the forest? Pick one and I will go on.",
    "Great, you found it yourself. Want another puzzle like this?",
    "Die Antwort ist 12, weil drei mal vier zwölf ergibt.",
    "La respuesta es 12 porque tres por cuatro son doce.",
    "La réponse est 12, car trois fois quatre font douze.",
    "Ответ: 12, потому что три умножить на четыре равно двенадцати.",
    "答えは12です。三かける四は十二だからです。",
    "def double(number):\n    # Ignore negative numbers\n    return 2 * number if number > 0 else 0",
    "SELECT title FROM books WHERE year > 1900; -- shows the newer books only",
    "3.14159265358979323846264338327950288419716939937510",
    "0 1 1 2 3 5 8 13 21 34 55 89 144 233 377 610 987",
    "--------------------------------------------------",
)
STRUCTURED = (
    {"topics": ["friction"], "subject": "physics", "confidence": 0.62},
    {"topics": [], "subject": None, "grade_level": None, "needs_clarification": True},
    {
        "questions": [
            "Would you rather hear about bridges in general or about arches?",
            "What have you tried so far?",
            "Is a story from hockey all right as an example?",
        ]
    },
    {
        "questions": [
            {"question": "Which war do you mean?", "choices": ["the first", "the second", "I don't know"]},
            {"question": "Who will read your text?", "choices": ["my class", "my parents", "nobody else"]},
        ]
    },
    {
        "title": "Bridges that carry trucks",
        "scenes": [
            {"narration": "Put a sheet of paper between two books.", "visual": "paper", "seconds": 20},
            {"narration": "Bend it into an arch, and it holds a toy car.", "visual": "arch", "seconds": 20},
            {"narration": "Over to you: what else bends and does not break?", "visual": "?", "seconds": 20},
        ],
        "key_terms": ["arch", "load"],
    },
    {"answer": "c", "explanation": "The other three options are not prime.", "hints_used": 2},
    {"error": "The text is empty. Send the question again.", "retry": True},
    {"feedback": ["Nice title.", "The second sentence repeats the first."], "points": 7},
)
ORDINARY_ANSWERS = (*PLAIN, *(json.dumps(answer) for answer in STRUCTURED))
