"""Weights and outputs in small files, bit for bit; no code runs on loading."""
