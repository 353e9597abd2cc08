"""What tests keep between runs: kingfisher compiles its rules for six seconds, once."""

from __future__ import annotations

import sys
from pathlib import Path

CACHE = Path(sys.prefix) / "scan-cache"
