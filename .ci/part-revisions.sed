# Makes of the script that `spothive db sql` prints what `make check` lints: line numbers stay.

# The script is one transaction, and squawk lets pass whatever happens to a table made in the same one. But a revision
# meets tables that are full: here each gets a transaction of its own, as in an upgrade.
/^-- Running upgrade  ->/!s/^-- Running upgrade/COMMIT; BEGIN; &/

# squawk knows that a transaction of Alembic can be run again if it moves the version, and only by this word.
s/^INSERT INTO alembic_version .*/UPDATE alembic_version SET version_num = 'first';/
