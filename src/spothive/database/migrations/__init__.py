"""One line of revisions for every database."""
