"""Trying a model file before anybody relies on it: in a process of its own, under limits."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from spothive.errors import ConfigurationError, ModelRefused
from spothive.scoring.features import BY_NAME
from spothive.scoring.model_file import Contract, read_contract

PATIENCE: Final = 60.0
"""Seconds after which a probe is ended."""

SANDBOX: Final = Path(__file__).with_name("sandbox.py").absolute()
"""The program that is run. By its path: in isolated mode a package need not be found."""

TOLERANCE: Final = 2.5e-7
"""Most by which other rows beside it may change a row's score; explanations sum to the score within 1e-6."""

_RANDOM_ROWS = 64


def require_runtime() -> None:
    """Refuse where the libraries that run models are missing.

    Raises:
        ConfigurationError: they are.
    """
    if find_spec("onnxruntime") is None or find_spec("numpy") is None:
        raise ConfigurationError("models are run by onnxruntime, which is not installed: pip install 'spothive[ml]'")


def probe(data: bytes, *, patience: float = PATIENCE) -> Contract:
    """Return what the model file ``data`` says of itself, after it was tried in a process of its own.

    The process has no environment, no file, no network; limited memory and time. It loads the file and asks it about
    the edges of its features' ranges and some rows between: each answer must be one probability, twice the same.

    Args:
        data: content of the file.
        patience: seconds after which the process is ended.

    Raises:
        ModelRefused: it is no model file, or cannot be loaded and asked within the limits.
        ConfigurationError: onnxruntime is not installed.
    """
    contract = read_contract(data)
    require_runtime()
    asked = json.dumps({"rows": _rows(contract), "tolerance": TOLERANCE}).encode() + b"\n" + data
    with tempfile.TemporaryDirectory(prefix="spothive-probe-") as folder:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", str(SANDBOX)],
                input=asked,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=_environment(),
                timeout=patience,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise ModelRefused(f"it was not loaded and asked within {patience:g} s") from None
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise ModelRefused(f"the process that tried it was ended (exit code {ended.returncode})") from None
    if why := answer.get("refused"):
        raise ModelRefused(why)
    return contract


def _environment() -> dict[str, str]:
    """Return what the process needs to find its libraries, and not one of spothive's secrets."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _rows(contract: Contract) -> list[list[float]]:
    """Return the baseline, every edge of each feature's range, and rows drawn between, the same for every model."""
    features = [BY_NAME[name] for name in contract.features]
    rows = [list(contract.baseline), [f.low for f in features], [f.high for f in features]]
    rows.append([f.default for f in features])
    rows += [
        [*contract.baseline[:place], edge, *contract.baseline[place + 1 :]]
        for place, feature in enumerate(features)
        for edge in (feature.low, feature.high)
    ]
    dice = random.Random(0)  # noqa: S311 - rows to try, no secret
    rows += [[dice.uniform(f.low, f.high) for f in features] for _ in range(_RANDOM_ROWS)]
    return rows
