"""Django's tests need Django 6, which needs Python 3.12."""

import sys

collect_ignore = ["django"] if sys.version_info < (3, 12) else []
