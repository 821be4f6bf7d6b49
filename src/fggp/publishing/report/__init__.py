"""The pages of docs/, filled in from files."""
