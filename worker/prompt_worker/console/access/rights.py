"""What the console's login may do in the database, asked for each page: the database refuses the rest as well."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
from psycopg2.extensions import cursor

from prompt_worker.platform.postgres.statements import statement

Right = Literal[
    "prompts", "review", "release", "label", "block",
    "executions", "measures", "texts", "dead_letters", "settle", "violations", "mark", "experiments", "reveals",
]  # fmt: skip
RIGHTS: tuple[Right, ...] = get_args(Right)
# The role that gives each.
ROLES: dict[Right, str] = {
    "prompts": "prompt_viewer",
    "review": "prompt_approver",
    "release": "prompt_approver",
    "label": "prompt_approver",
    "block": "prompt_approver",
    "executions": "prompt_viewer",
    "measures": "prompt_operator",
    "texts": "prompt_text_reader",
    "dead_letters": "prompt_operator",
    "settle": "prompt_operator",
    "violations": "prompt_operator",
    "mark": "prompt_operator",
    "experiments": "prompt_viewer",
    "reveals": "prompt_approver",
}
_RIGHTS = statement(__name__, "rights")


class Rights(msgspec.Struct, frozen=True):
    """`login` is the database's; `has` are those that it has."""

    login: str
    has: frozenset[Right]

    def __contains__(self, right: Right) -> bool:
        return right in self.has

    def why_not(self, right: Right) -> str | None:
        """What gives a right that the login lacks; None where it has it."""
        if right in self.has:
            return None
        return f"the login {self.login} needs the role {ROLES[right]}: GRANT {ROLES[right]} TO {self.login}"


def read_rights(cursor: cursor) -> Rights:
    cursor.execute(_RIGHTS)
    ((login, *held),) = cursor.fetchall()
    return Rights(login, frozenset(right for right, has in zip(RIGHTS, held, strict=True) if has))
