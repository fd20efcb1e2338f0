"""The capability `EXPIRY`: what a driver records for a job that was cancelled because it had expired."""

from typing import Final

EXPIRED: Final = (
    b'{"type":"JobExpired","message":"no worker had it at its expiry, so it was cancelled","traceback":"","attempt":0}'
)
"""The error of a job that has expired, in the form in which the runtime records errors."""
MOST_EXPIRED: Final = 100
"""How many overdue jobs an exchange, or a recovery, ends at most."""
