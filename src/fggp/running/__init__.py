"""Many cells: processes, locks, Slurm, Snakemake, and progress."""
