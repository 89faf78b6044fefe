"""What schemathesis does with a request before it sends it."""

import itertools

import schemathesis

KEY = "Idempotency-Key"
KEPT = itertools.cycle([True] + [False] * 7)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Leaves a key on every eighth request: the same few are made up again and again, and a key that is in use is refused."""
    if case.headers and KEY in case.headers and not next(KEPT):
        del case.headers[KEY]
