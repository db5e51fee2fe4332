"""What became of a discard or a purge."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_worker.deadletters.ending import Ended


def report(ended: Ended, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(asdict(ended)))
    return 130 if ended.stopped else 0
