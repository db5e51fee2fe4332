"""The option that both kinds of worker have."""

from __future__ import annotations

import argparse


def add_log_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-level",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="log from this level on (default: PROMPT_WORKER_LOG_LEVEL, else INFO)",
    )
