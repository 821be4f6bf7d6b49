localrules:
    plan,
    aggregate,
    table,
    figure,
    page,
    crate,


# The expected cells of the study, which the analysis reads instead of the configuration.
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
        settled=GRID.settled_mark,
    shell:
        "python -m fggp plan {params.configuration:q} --write > {log:q} 2>&1"
        " && echo {params.digest:q} > {params.settled:q}"


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
        "python -m fggp aggregate {params.home:q} > {log:q} 2>&1"


# A changed declaration remakes tables and figures, and trains nothing.
rule table:
    input:
        RUNS_CSV,
        DECLARED,
        MEASURED,
    output:
        report(
            f"{HOME}/tables/{{name}}.csv",
            category=lambda wildcards: TABULATED[wildcards.name].under,
            subcategory="Tables",
            caption="../report/table.rst",
            labels={"table": "{name}"},
        ),
        multiext(f"{HOME}/tables/{{name}}", ".md", ".tex"),
    log:
        f"{HOME}/logs/table-{{name}}.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
        caption=lambda wildcards: TABULATED[wildcards.name].caption,
    shell:
        "python -m fggp table {wildcards.name:q} {params.home:q} > {log:q} 2>&1"


# All figures in one process: they read the same tables, and starting Python costs more than most.
# Their captions are written next to them, from the docstrings that declare the figures.
rule figure:
    input:
        f"{HOME}/cells.json",
        RUNS_CSV,
        expand(f"{HOME}/{{name}}.csv", name=["epochs", "layers", "updates"]),
        DECLARED,
        STYLES,
        MEASURED,
    output:
        [
            report(
                f"{HOME}/figures/{name}.png",
                category=it.under,
                subcategory="Figures",
                caption=Path.cwd() / f"{HOME}/figures/{name}.rst",
                labels={"figure": name},
            )
            for name, it in DRAWN.items()
        ],
        expand(
            f"{HOME}/figures/{{name}}.{{kind}}",
            name=DRAWN,
            kind=["pdf", "svg", "csv", "rst"],
        ),
    log:
        f"{HOME}/logs/figure.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp figure all {params.home:q} > {log:q} 2>&1"


# After the figures, because it shows the existing ones.
rule page:
    input:
        f"{HOME}/cells.json",
        RUNS_CSV,
        FIGURES,
        DECLARED,
        STYLES,
        MEASURED,
    output:
        report(
            PAGE,
            category="Results",
            subcategory="Page",
            caption="../report/page.rst",
            labels={"page": "the study and its parts"},
        ),
    log:
        f"{HOME}/logs/page.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp page {params.home:q} > {log:q} 2>&1"


# Last, because it packs all other outputs. It also contains the workflow and the environments, which
# are not inputs: a comment in them makes no new crate.
rule crate:
    input:
        f"{HOME}/cells.json",
        GRID.run_files,
        RUNS_CSV,
        expand(f"{HOME}/{{name}}.csv", name=["epochs", "layers", "updates"]),
        TABLES,
        FIGURES,
        PAGE,
        MEASURED,
    output:
        CRATE,
    log:
        f"{HOME}/logs/crate.log",
    conda:
        "../../envs/analysis.yml"
    params:
        home=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "python -m fggp crate {params.home:q} --out {output:q} > {log:q} 2>&1"
