localrules:
    prepare,


# One file per data set. Trainings depend on it as `ancient`: preparing equal data again, or
# touching it, retrains nothing; its checksum is in every result.
rule prepare:
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
