localrules:
    plan,
    aggregate,
    table,
    figure,


# The cells that the study should hold: what the analysis reads instead of the configuration.
rule plan:
    output:
        f"{HOME}/cells.json",
    log:
        f"{HOME}/logs/plan.log",
    conda:
        "../../envs/analysis.yml"
    params:
        digest=GRID.digest,
        configuration=lambda wildcards: CONFIG,
    shell:
        "python -m fggp plan {params.configuration:q} --write > {log} 2>&1"


rule aggregate:
    input:
        f"{HOME}/cells.json",
        GRID.run_files,
    output:
        expand(f"{HOME}/{{name}}.csv", name=["runs", "epochs", "layers", "updates"]),
    log:
        f"{HOME}/logs/aggregate.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp aggregate {params.home:q} > {log} 2>&1"


rule table:
    input:
        RUNS_CSV,
    output:
        report(
            f"{HOME}/tables/{{name}}.csv",
            category="Results",
            subcategory="Rankings",
            caption="../report/ranking.rst",
            labels={"table": "{name}"},
        ),
        multiext(f"{HOME}/tables/{{name}}", ".md", ".tex"),
    log:
        f"{HOME}/logs/table-{{name}}.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp table {wildcards.name} {params.home:q} > {log} 2>&1"


rule figure:
    input:
        RUNS_CSV,
    output:
        report(
            f"{HOME}/figures/{{name}}.png",
            category="Results",
            subcategory="Figures",
            caption="../report/accuracy_vs_sparsity.rst",
            labels={"figure": "{name}"},
        ),
        multiext(f"{HOME}/figures/{{name}}", ".pdf", ".csv"),
    log:
        f"{HOME}/logs/figure-{{name}}.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp figure {wildcards.name} {params.home:q} > {log} 2>&1"
