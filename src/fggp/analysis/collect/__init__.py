"""Result files in, tables of runs out."""
