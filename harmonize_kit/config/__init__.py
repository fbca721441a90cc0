"""What a user may choose, as frozen models that refuse what they do not know."""
