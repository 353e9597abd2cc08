"""Where the contract kit is: GitHub played from GitHub's own description of itself.

`SLIPWAY_CONTRACT` names its folder; without it, `../shared/contract` beside the checkout is looked for.  Tests that
need it are skipped when there is none.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def contract_folder() -> Path | None:
    """The folder that holds contract_server.py, if there is one."""
    told = os.environ.get("SLIPWAY_CONTRACT")
    folder = Path(told) if told else ROOT.parent / "shared" / "contract"
    return folder if (folder / "contract_server.py").is_file() else None


def load() -> ModuleType:
    """The kit's module; loaded once.  Raises FileNotFoundError when there is no kit."""
    known = sys.modules.get("contract_server")
    if known is not None:
        return known
    folder = contract_folder()
    if folder is None:
        raise FileNotFoundError("no contract kit: set SLIPWAY_CONTRACT to its folder")
    spec = importlib.util.spec_from_file_location("contract_server", folder / "contract_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["contract_server"] = module
    spec.loader.exec_module(module)
    return module
