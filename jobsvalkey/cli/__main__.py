"""`python -m jobsvalkey.cli`."""

import sys

from jobsvalkey.cli.main import main

sys.exit(main())
