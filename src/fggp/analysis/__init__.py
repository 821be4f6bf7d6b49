"""From result files to tables and figures: table in, table or figure out, and no training."""
