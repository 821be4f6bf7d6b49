"""The line that a training writes after each epoch; `fggp.running.progress.traces` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fggp.training.step import Sizes


def line(row: dict[str, Any], last: int, sizes: Sizes) -> str:
    """Return the record of an epoch in words: shares in percent, with the counts behind them.

    Args:
        row: the record.
        last: the last epoch of the training.
        sizes: the totals of its counts.

    """
    loss = "     nan" if row["train_loss"] is None else f"{row['train_loss']:8.4f}"
    parts = [f"epoch {row['epoch']:>4}/{last}  lr {row['lr']:<8.4g} loss {loss}"]
    if sizes.validation:
        parts.append(f"validation {_share(row['validation_correct'], sizes.validation)}")
    parts.append(f"test {_share(row['test_correct'], sizes.test)}")
    parts.append(f"kept {_share(row['kept'], sizes.prunable)}")
    return "  ".join(parts)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:6.2f} % ({count} of {total})"
