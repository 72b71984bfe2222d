"""Many rows of a table as one test, which tells all that fail: pytest's own way to run a test a row takes longer than most rows."""

import inspect
from functools import wraps


def in_turn(names, rows):
    """What pytest.mark.parametrize(names, rows) is, in one test: every row in turn, and then the errors of all that failed."""
    names, rows = names.split(", "), list(rows)

    def joined(fact):
        @wraps(fact)
        def test(**given):
            failed, missing = [], None
            for row in rows:
                values = dict(zip(names, row if len(names) > 1 else (row,), strict=True))
                try:
                    fact(**given, **values)
                except ImportError as error:
                    missing = error
                except Exception as error:
                    error.add_note(f"with {values}")
                    failed.append(error)
            if failed:
                raise failed[0] if len(failed) == 1 else ExceptionGroup(f"{len(failed)} rows of {fact.__name__} failed", failed)
            if missing:  # the test is skipped where an extra is
                raise missing

        parameters = inspect.signature(fact).parameters
        test.__signature__ = inspect.Signature([p for name, p in parameters.items() if name not in names])
        return test

    return joined
