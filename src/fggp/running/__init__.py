"""Many cells: processes, locks, Slurm, Snakemake, and how far they are."""
