"""How the values of a type are written into a request, and how they are read back: all of it, or an error."""

from jobsvalkey.runtime.values.form import Form, Values, check_values, make_form

__all__ = ["Form", "Values", "check_values", "make_form"]
