"""A directory in, a running URL out. Knows no GitHub and no database."""
