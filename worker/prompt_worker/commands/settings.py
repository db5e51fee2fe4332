"""`prompt-worker settings`: every setting and every exit code, as they are declared."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.resources import files
from typing import NamedTuple

import msgspec
from msgspec.structs import FieldInfo, fields

from prompt_worker.commands.command import Commands, add_command, open_console
from prompt_worker.platform.failures import EXIT_CODES

# Columns of the table where standard output is no terminal.
PIPED_WIDTH = 160


def add(commands: Commands) -> None:
    parser = add_command(
        commands,
        "settings",
        _settings,
        "list every environment variable that is read, and the exit codes",
        details="It shows what is declared, not what is set.",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the document deploy/settings.md")
    form.add_argument("--json", action="store_true", help="print JSON")


class Setting(NamedTuple):
    """One environment variable. `default` is for people; `others` are read where `name` is not set."""

    name: str
    others: tuple[str, ...]
    default: str
    meaning: str


class Group(NamedTuple):
    """Settings that are read together, and the commands that read them."""

    title: str
    commands: str
    settings: tuple[Setting, ...]


def groups() -> Iterator[Group]:
    """Every group, in the order in which an operator meets them."""
    from prompt_worker.consuming.push.settings import PushSettings, TokenSettings
    from prompt_worker.platform import settings
    from prompt_worker.platform.pubsub.topology import Names
    from prompt_worker.platform.telemetry.export import TelemetrySettings
    from prompt_worker.platform.telemetry.logs import LogSettings
    from prompt_worker.prompts.endpoint.settings import EndpointSettings, ReaderSettings
    from prompt_worker.prompts.serving.settings import PromptSettings

    pubsub = "topics, run, serve, console, dead-letters replay, seek, snapshot, doctor"
    database = (
        "migrate, partitions, verify, rebuild-statistics, run, serve, console, dead-letters, guardrails, registry, "
        "seek, snapshot, doctor"
    )
    yield _group(settings.DatabaseSettings, database)
    yield _group(settings.PubSubSettings, pubsub)
    yield _group(Names, pubsub)
    yield _group(settings.PublisherSettings, "publish, and every service that has a `Publisher`")
    yield _group(PromptSettings, "every service that has a `PromptTemplateService`")
    yield _group(settings.ConsumerSettings, "run, serve")
    yield _group(settings.ProbeSettings, "run, serve")
    yield _group(PushSettings, "serve")
    yield _group(TokenSettings, "serve")
    yield _group(EndpointSettings, "serve registry")
    yield _group(ReaderSettings, "serve registry")
    yield _group(settings.GuardrailSettings, "run guardrails, serve")
    yield _group(settings.ReplaySettings, "dead-letters replay, console")
    yield _group(LogSettings, "run, serve, console, publish")
    yield _group(TelemetrySettings, "run, serve")


def markdown() -> str:
    """The text of deploy/settings.md."""
    tables = [
        "\n".join(
            [
                f"### {group.title}\n\nRead by: {group.commands}.\n",
                "| setting | default | meaning |\n|---|---|---|",
                *(
                    f"| {' or '.join(f'`{name}`' for name in (setting.name, *setting.others))} "
                    f"| {setting.default} | {setting.meaning} |"
                    for setting in group.settings
                ),
            ]
        )
        for group in groups()
    ]
    template = files(__package__).joinpath("settings.template").read_text(encoding="utf-8")
    codes = "\n".join(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items())
    return template.replace("{settings}", "\n\n".join(tables)).replace("{exit codes}", codes)


def _settings(options: argparse.Namespace) -> int:
    if options.markdown:
        sys.stdout.write(markdown())
    elif options.json:
        print(_as_json().decode())
    else:
        _print_table()
    return 0


def _print_table() -> None:
    from rich.table import Table
    from rich.text import Text

    console = open_console(wrap=True, piped_width=PIPED_WIDTH)
    for group in groups():
        table = Table("setting", "default", "meaning", box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in table.columns:
            column.overflow = "fold"
        table.columns[0].no_wrap = True
        for setting in group.settings:
            names = "\nor ".join((setting.name, *setting.others))
            table.add_row(names, _plain(setting.default), _plain(setting.meaning))
        console.print(Text(_plain(group.title), "bold"))
        console.print(f"Read by: {_plain(group.commands)}.", table, "", sep="\n")
    codes = Table("exit code", "meaning", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for code, meaning in EXIT_CODES.items():
        codes.add_row(str(code), meaning)
    console.print(codes)


def _group(struct: type[msgspec.Struct], commands: str) -> Group:
    title = (struct.__doc__ or "").partition("\n")[0].removesuffix(".")
    return Group(title, commands, tuple(_setting(field) for field in fields(struct)))


def _setting(field: FieldInfo) -> Setting:
    from prompt_worker.platform.settings.environment import metas_of, names_of

    name, *others = names_of(field)
    metas = list(metas_of(field))
    meaning = next((meta.description for meta in metas if meta.description), "")
    said = next((meta.extra["default"] for meta in metas if meta.extra and "default" in meta.extra), None)
    return Setting(name, tuple(others), said or _default(field), meaning)


def _default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    match field.default:
        case None:
            return "not set"
        case bool():
            return f"`{str(field.default).lower()}`"
        case float():
            return f"`{field.default:g}`"
        case _:
            return f"`{field.default}`"


def _plain(text: str) -> str:
    return text.replace("`", "")


def _as_json() -> bytes:
    """Groups with their settings, and exit codes; text without the marks of Markdown."""
    found = [
        {
            "title": _plain(group.title),
            "commands": _plain(group.commands),
            "settings": [
                setting._asdict() | {"default": _plain(setting.default), "meaning": _plain(setting.meaning)}
                for setting in group.settings
            ],
        }
        for group in groups()
    ]
    return msgspec.json.format(msgspec.json.encode({"groups": found, "exit_codes": EXIT_CODES}))
