"""Folds the deltas that workers left into the counters' columns, where no worker does."""

from __future__ import annotations

from sqlalchemy import Engine, text

_MAY_FOLD = text("""
    SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::boolean
       AND coalesce(has_function_privilege(to_regprocedure('public.fold_statistics()'), 'EXECUTE'), false)
""")


# Of as many deltas as a fold takes: ten million. What writers add meanwhile keeps nobody here.
MOST_FOLDS = 100


def fold(engine: Engine) -> None:
    """Folds what waits. Does nothing for a login that may not, or on a standby: the views are exact without it."""
    for _ in range(MOST_FOLDS):
        with engine.begin() as connection:
            if not connection.scalar(_MAY_FOLD):
                return
            if not connection.scalar(text("SELECT public.fold_statistics()")):
                return
