# The workflow itself is where the Snakemake workflow catalog expects it.
include: "workflow/Snakefile"


# An included file does not set the default target by itself.
workflow.default_target = "all"
