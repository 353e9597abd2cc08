"""What we claim about speed and sight, runnable by anybody: `python -m bench.preview`, `python -m bench.detect`."""
