# One cell, one process, one file. `params` hold the cell and nothing else, so that only a change
# of what is trained trains again; device, paths and host stay out. A method that starts from the
# trained dense network finds it beside the dense result.
rule train:
    input:
        data=ancient(GRID.data),
        dense=ancient(GRID.origin),
    output:
        f"{HOME}/runs/{{backbone}}/s{{sparsity}}/i{{start}}/{{label}}/seed{{seed}}.json",
    log:
        f"{HOME}/logs/{{backbone}}/s{{sparsity}}/i{{start}}/{{label}}/seed{{seed}}.log",
    conda:
        "../../envs/train.yml"
    threads: lambda wildcards: GRID.cell(wildcards).training.threads
    resources:
        gpu=lambda wildcards: GRID.gpus,
        mem_mb=lambda wildcards, attempt: GRID.memory_mb(wildcards, attempt),
        runtime=lambda wildcards, attempt: GRID.minutes(wildcards, attempt),
    params:
        cell=lambda wildcards: GRID.cell(wildcards).canonical(),
    shell:
        "python -m fggp train --cell {params.cell:q} --data {input.data:q} --out {output:q}"
        " >> {log} 2>&1"
