localrules:
    prepare,


# One file per data set. Trainings depend on it as `ancient`: preparing equal data again, or
# touching it, retrains nothing; its checksum is in every result.
#
# The input exists once images have changed after they were prepared, which `GRID.settle` notices; it
# is newer than the prepared file until they are prepared again.
rule prepare:
    input:
        GRID.data_marks,
    output:
        GRID.data,
    log:
        f"logs/prepare-{GRID.data_name}.log",
    conda:
        "../../envs/train.yml"
    params:
        source=lambda wildcards: GRID.data_source,
        configuration=lambda wildcards: CONFIG,
    shell:
        "python -m fggp prepare {params.configuration:q} > {log:q} 2>&1"
