"""What every package stands on: errors, exact numbers, random streams, files."""
