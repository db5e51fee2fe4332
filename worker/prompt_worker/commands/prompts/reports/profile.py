"""One version of a prompt, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from prompt_worker.commands.command import open_console
from prompt_worker.commands.prompts.reports.rollout import shown_beside
from prompt_worker.commands.prompts.reports.rules import rule_lines
from prompt_worker.commands.terminal.printable import printable, printable_lines, printable_time
from prompt_worker.prompts.authoring.reading.profile import Profile
from prompt_worker.prompts.authoring.stored import Head


def print_profile(profile: Profile, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(profile).decode())
        return
    console = open_console(piped_width=250)
    version = profile.version
    console.print(f"{printable(version.name)}, version {version.version}", style="bold")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value, style in _facts(profile):
        table.add_row(name, Text(printable(value), style))
    console.print(table)
    if version.content is None:
        console.print(f"\nits content cannot be read: {printable(version.problem)}", style="bold red")
    else:
        for name in ("variables", "model_config", "output_schema"):
            _print_json(console, name, getattr(version.content, name))
        for name, text in _texts(profile):
            console.print(f"\n{printable(name)}", style="bold")
            console.print(printable_lines(text))
    for review in profile.reviews:
        bound = "" if review.sha256 == version.sha256 else ", of another content"
        said = f": {printable(review.comment)}" if review.comment else ""
        style = "green" if review.verdict == "approved" and not bound else "red" if not bound else "dim"
        console.print(
            Text(
                f"{printable_time(review.at)}  {review.verdict} by {printable(review.reviewer)}{bound}{said}",
                style,
            )
        )
    _print_versions(console, profile)


def _facts(profile: Profile) -> Iterator[tuple[str, Any, str]]:
    version, listed = profile.version, profile.listed
    state = (
        "in production"
        if version.is_production
        else "active in an A/B test"
        if version.is_active
        else "not active"
    )
    yield "state", state, "green" if version.is_production else "dim"
    if listed.blocked is not None:
        yield "blocked", listed.blocked, "bold red"
    if profile.rollout is not None:
        yield "rollout", shown_beside(profile.rollout), "bold red" if profile.rollout.is_bad else "yellow"
    labels = [label for label, number in sorted(listed.labels.items()) if number == version.version]
    approved = {
        each.reviewer
        for each in profile.reviews
        if each.verdict == "approved" and each.sha256 == version.sha256
    }
    facts = {
        "description": version.description,
        "category": version.category,
        "labels": ", ".join(labels),
        "A/B group": version.group,
        "author": version.author,
        "created": None if version.created_at is None else printable_time(version.created_at),
        "content": version.sha256,
        "includes": ", ".join(profile.includes),
        "included by": ", ".join(profile.included_by),
        "approvals": f"{len(approved)} of {profile.approvals_needed} needed"
        if profile.approvals_needed
        else None,
    }
    yield from ((name, value, "") for name, value in facts.items() if value)
    for number, line in rule_lines(profile.rules):
        yield f"rule {number}", line, ""


def _texts(profile: Profile) -> Iterator[tuple[str, str]]:
    content = profile.version.content
    if content is None:
        return
    texts = {
        "": content.template_text if content.messages is None else content.messages,
        **content.translations,
    }
    for language, text in texts.items():
        named = f" in {language}" if language else ""
        if isinstance(text, str):
            yield f"text{named}", text
            continue
        for message in text:
            if message.history is not None:
                yield f"messages of {message.history}{named}", ""
            else:
                yield f"{message.role}{named}", message.content or ""


def _print_json(console: Console, name: str, value: Any) -> None:
    if value:
        console.print(f"\n{name}", style="bold")
        console.print(printable_lines(json.dumps(value, ensure_ascii=False, indent=1)))


def _print_versions(console: Console, profile: Profile) -> None:
    if len(profile.versions) > 1:
        console.print("\nversions", style="bold")
    for head in profile.versions if len(profile.versions) > 1 else ():
        labels = [label for label, number in sorted(profile.listed.labels.items()) if number == head.version]
        marks = [
            *(["production"] if head.is_production else []),
            *([head.group] if head.group else []),
            *(
                [f"canary {profile.rollout.percent:g} %"]
                if profile.rollout and profile.rollout.canary.version == head.version
                else []
            ),
            *labels,
        ]
        line = f"{head.version:>6}  {_when(head)}  {head.sha256[:12]}  {printable(head.author)}  {', '.join(marks)}"
        console.print(Text(line.rstrip(), "green" if head.is_production else ""))


def _when(head: Head) -> str:
    return printable_time(head.created_at) if head.created_at else "-" * 19
