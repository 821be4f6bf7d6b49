# One cell, one process, one file; or, with `--config cells_per_gpu=3`, three cells that differ in
# their seed, three processes and three files in one job. A method that starts from the trained
# dense network finds it next to the dense result.
#
# `cells` takes `output` for one reason: Snakemake does not compare parameters that derive from
# outputs. `GRID.settle` decides which cells are trained again. It recognizes a finished cell whatever
# job made it, so that packing differently, or not at all, retrains nothing.
for NAME, SEEDS in GRID.packs.items():

    rule:
        name:
            NAME
        input:
            data=ancient(GRID.data),
            dense=ancient(lambda wildcards, seeds=SEEDS: GRID.origins(wildcards, seeds)),
        output:
            expand(
                f"{HOME}/runs/{PATTERN}.json",
                seed=SEEDS,
                allow_missing=True,
            ),
        log:
            f"{HOME}/logs/{PATTERN if GRID.together == 1 else f'{FOLDER}/{NAME}'}.log",
        conda:
            "../../envs/train.yml"
        threads: lambda wildcards, seeds=SEEDS: GRID.threads(wildcards) * len(seeds)
        resources:
            gpu=lambda wildcards: GRID.gpus,
            mem_mb=lambda wildcards, attempt, seeds=SEEDS: len(seeds)
            * GRID.memory_mb(wildcards, attempt),
            runtime=lambda wildcards, attempt, seeds=SEEDS: len(seeds)
            * GRID.minutes(wildcards, attempt),
        params:
            cells=lambda wildcards, output, seeds=SEEDS: [
                cell.canonical() for cell in GRID.members(wildcards, seeds)
            ],
        # Snakemake deletes the log before each attempt; under a second name, all attempts stay
        # together.
        # `exec`: a scheduler ends a job when its first process ends, and a signal to stop would end
        # a shell before the training has written its checkpoint.
        shell:
            'log={log:q}; all="${{log%/*}}/.${{log##*/}}"; touch "$all"; ln -f "$all" "$log" || true;'
            " exec python -m fggp train --cell {params.cells:q} --data {input.data:q}"
            ' --out {output:q} >> "$log" 2>&1'
