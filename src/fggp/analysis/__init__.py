"""From result files to tables and figures, without training."""
