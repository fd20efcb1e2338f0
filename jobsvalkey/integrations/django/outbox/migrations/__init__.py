"""How the table came about."""
