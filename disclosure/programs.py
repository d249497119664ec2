"""Linear programs over one set of equations. Each begins where the one before ended: a tenth of the time."""

from __future__ import annotations

import highspy
import numpy as np
from scipy.sparse import csr_array

from disclosure.relations import Numbers

_SURE = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible)


class _Solver(highspy.Highs):
    """The solver without a word: it greets on standard output, where a command's document goes."""

    def enableCallbacks(self) -> None:  # noqa: N802 the library's name; its constructor calls this first
        self.setOptionValue("output_flag", False)


class Programs:
    """Numbers between 0 and ``most`` for which ``bound`` (equations x numbers) gives ``ends``."""

    def __init__(self, bound: csr_array, ends: Numbers, most: float) -> None:
        columns = bound.tocsc()
        rows, size = columns.shape
        asked = highspy.HighsLp()
        asked.num_row_, asked.num_col_ = rows, size
        asked.col_cost_ = asked.col_lower_ = np.zeros(size)
        asked.col_upper_ = np.full(size, most)
        asked.row_lower_ = asked.row_upper_ = ends
        asked.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        asked.a_matrix_.start_, asked.a_matrix_.index_ = columns.indptr, columns.indices
        asked.a_matrix_.value_ = columns.data
        self._solver = _Solver()  # type: ignore[no-untyped-call]  # its constructor has no types
        self._solver.setOptionValue("parallel", "off")
        self._solver.passModel(asked)
        self._places = np.arange(size, dtype=np.int32)

    def least(self, weights: Numbers) -> Numbers | None:
        """The numbers whose weighted sum is the least; None where no numbers fit."""
        self._solver.changeColsCost(len(self._places), self._places, np.asarray(weights, dtype=np.float64))
        self._solver.run()
        if self._solver.getModelStatus() not in _SURE:
            # Lost on its way from the last end: once more from nothing.
            self._solver.clearSolver()
            self._solver.run()
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        found: Numbers = np.maximum(np.array(self._solver.getSolution().col_value), 0.0)
        return found

    def marginals(self) -> Numbers:
        """Of the last program: by how much its sum would move with the end of each equation."""
        return np.array(self._solver.getSolution().row_dual)
