"""Loading models and asking them. What is loaded is what was hashed; what is refused replaces nothing."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from spothive.errors import ModelRefused
from spothive.scoring.model_file import Contract, read_contract, sha256_of
from spothive.scoring.probing import require_runtime
from spothive.scoring.shapley import Attribution, attribute
from spothive.scoring.store import ModelStore

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray


MOST_BESIDE: Final = 8
"""Models of the lab that a process keeps loaded."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Which file a registered model is.

    Attributes:
        model_id: id of its row.
        name: its name.
        version: its version.
        path: name of its file in the store.
        sha256: what the file's SHA-256 must be, hexadecimal.
    """

    model_id: UUID
    name: str
    version: str
    path: str
    sha256: str

    @property
    def label(self) -> str:
        """Name and version, for people."""
        return f"{self.name} {self.version}"


class LoadedModel:
    """A model in memory. Any number of threads may ask it at once."""

    def __init__(self, file: ModelFile, contract: Contract, data: bytes) -> None:
        """Load ``data``, which has been compared with ``file`` and read as ``contract``.

        Raises:
            ModelRefused: onnxruntime cannot load it.
        """
        import onnxruntime as ort

        self.file = file
        self.contract = contract
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the same sums in the same order
        options.log_severity_level = 4
        try:
            self._session: Any = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - whatever it raises, it cannot be used
            raise ModelRefused(f"model {file.label}: onnxruntime cannot load it: {str(error)[:200]}") from None
        self._input = self._session.get_inputs()[0].name

    def score(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return the probability of an interruption within 24 hours for each row, in one batch.

        Args:
            rows: the features of the contract, in its order; see :func:`spothive.scoring.features.vector`.
        """
        import numpy as np

        return [float(score) for score in self._scores(np.asarray(rows, np.float64))] if rows else []

    def explain(self, row: Sequence[float], baseline: Sequence[float] | None = None) -> Attribution:
        """Return what each feature adds to the score of ``row``, exactly, from one batch of 2^n rows.

        Args:
            row: the features of the contract, in its order.
            baseline: where the explanation starts; the contract's when None.
        """
        return attribute(self._scores, row, self.contract.baseline if baseline is None else baseline)

    def _scores(self, rows: NDArray[float64]) -> NDArray[float64]:
        import numpy as np

        (scores,) = self._session.run(None, {self._input: rows.astype(np.float32)})
        return np.asarray(scores, np.float64).reshape(-1)


def check_file(store: ModelStore, file: ModelFile) -> bytes:
    """Return the content of a registered model's file, if it still is what was registered.

    Raises:
        ModelRefused: it is missing, or any byte of it has changed.
    """
    data = store.read(file.path)
    if not hmac.compare_digest(sha256_of(data), file.sha256):
        raise ModelRefused(
            f"the file of model {file.label} is not what was registered: restore {file.path} in the model store "
            "from a backup, or register it anew"
        )
    return data


def load(store: ModelStore, file: ModelFile) -> LoadedModel:
    """Load a registered model: the bytes that are hashed are the bytes that are loaded, read once.

    Raises:
        ModelRefused: the file is missing, has changed, or cannot be loaded.
        ConfigurationError: onnxruntime is not installed.
    """
    require_runtime()
    data = check_file(store, file)
    return LoadedModel(file, read_contract(data), data)


class ModelServer:
    """Keeps one model loaded. Whoever asks gets it whole: the one before, or the one after a refresh.

    Models of the lab are loaded beside it and never take its place.
    """

    def __init__(self, store: ModelStore) -> None:
        """Serve models of ``store``; none is loaded yet."""
        self._store = store
        self._loading = threading.Lock()
        self._present: LoadedModel | None = None
        self._beside: dict[ModelFile, LoadedModel] = {}

    @property
    def present(self) -> LoadedModel | None:
        """The model that is loaded; None before the first."""
        return self._present

    def refresh(self, wanted: ModelFile) -> LoadedModel:
        """Load ``wanted``, unless it is loaded, and serve it from now on. If it is refused, nothing changes.

        Raises:
            ModelRefused: the file is missing, has changed, or cannot be loaded.
            ConfigurationError: onnxruntime is not installed.
        """
        with self._loading:
            present = self._present
            if present is None or present.file != wanted:
                present = self._present = load(self._store, wanted)
            return present

    def beside(self, wanted: ModelFile) -> LoadedModel:
        """Return ``wanted``, loaded beside the model that is served; the latest few are kept.

        Raises:
            ModelRefused: the file is missing, has changed, or cannot be loaded.
            ConfigurationError: onnxruntime is not installed.
        """
        with self._loading:
            found = self._beside.pop(wanted, None) or load(self._store, wanted)
            self._beside[wanted] = found
            if len(self._beside) > MOST_BESIDE:
                del self._beside[next(iter(self._beside))]
            return found
