"""The schema's history.  `python -m bot.store.migrations "words"` adds the step from it to bot.models."""
