"""The nightly run: its settings, steps, summary, hooks and retention."""
