"""Runs in a process of its own: loads the model file on standard input, asks it, and says what came of it.

It imports nothing of spothive, so that it starts in isolated mode and holds no secret that a model could find. What
is read is JSON on one line (rows, tolerance), then the file; what is written is JSON: ``{}`` or ``{"refused": "..."}``.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from typing import Any

MEMORY = 2 << 30
CPU_SECONDS = 20


def limit(kind: int, amount: int) -> None:
    """Let this process have no more than ``amount`` of ``kind``, as far as the system can say that."""
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (amount, amount))


def refusal(data: bytes, rows: list[list[float]], tolerance: float) -> str:
    """Return why the model is refused, or an empty text."""
    import numpy as np
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    limit(resource.RLIMIT_NOFILE, 0)  # from here on nothing is opened any more: no file, no socket
    try:
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        given_rows = np.array(rows, np.float32)
        first, again = (session.run(None, {given.name: given_rows}) for _ in range(2))
        alone = [session.run(None, {given.name: given_rows[i : i + 1]})[0] for i in range(len(rows))]
    except Exception as error:  # noqa: BLE001 - whatever it raises, it cannot be used
        return f"onnxruntime cannot run it: {' '.join(str(error).split())[:200]}"
    return judged(first[0], again[0], np.concatenate([np.ravel(part) for part in alone]), tolerance)


def judged(scores: Any, again: Any, alone: Any, tolerance: float) -> str:
    """Return what is wrong with the answers of a model: to many rows, to the same again, and to each row alone."""
    import numpy as np

    rows = len(alone)
    if not isinstance(scores, np.ndarray) or scores.dtype not in (np.float32, np.float64):
        return "its output is no tensor of floats"
    if scores.shape not in {(rows,), (rows, 1)}:
        return f"its output has the shape {scores.shape} for {rows} rows; a model gives one probability a row"
    if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
        return "it gives numbers that are no probability: they must lie between 0 and 1"
    if not np.array_equal(scores, again):
        return "it gives another score when it is asked the same again"
    if np.abs(alone - scores.reshape(-1)).max() > tolerance:
        return "it gives a row another score when other rows stand beside it"
    return ""


def main() -> None:
    """Read, try, answer."""
    limit(resource.RLIMIT_AS, MEMORY)
    limit(resource.RLIMIT_CPU, CPU_SECONDS)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CORE, 0)
    asked = json.loads(sys.stdin.buffer.readline())
    why = refusal(sys.stdin.buffer.read(), asked["rows"], asked["tolerance"])
    sys.stdout.write(json.dumps({"refused": why} if why else {}))


if __name__ == "__main__":
    main()
