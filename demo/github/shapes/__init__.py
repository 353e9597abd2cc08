"""How GitHub writes things down in JSON: the same in answers and in webhooks."""
