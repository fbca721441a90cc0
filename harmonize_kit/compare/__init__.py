"""The judge: tables in, a scorecard out; it never knows how a table was made."""
