"""Loops over a formula, which makes one number of one number of each operand."""

# mypy: ignore-errors
from .arrays import numbers_at
from .plain import exact


def over(formula):
    """f(out, *operands), flat arrays of one length and numbers: out[i] = formula(*operands at i)."""

    @exact
    def loop(out, *operands):
        for i in range(out.size):
            out[i] = formula(*numbers_at(i, operands))

    return loop


def polynomial(t, coefficients):
    """c0 + c1 t + c2 t² + …, by Horner's scheme."""
    return coefficients[0] + t * polynomial(t, coefficients[1:]) if len(coefficients) > 1 else coefficients[0]
