"""One sync from beginning to end: rows in, one outcome a row out."""
