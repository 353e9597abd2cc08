"""`slipway serve` that scans nothing, for tests that kill it: scanners would only keep the machine busy."""

from __future__ import annotations

import functools
import sys

from bot import app
from bot.__main__ import main
from tests.house import unequipped

if __name__ == "__main__":
    app.running = functools.partial(app.running, equipment=unequipped)  # type: ignore[assignment]
    sys.argv = ["slipway", "serve"]
    sys.exit(main())
