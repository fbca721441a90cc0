"""Preprocessing: volumes in, volumes out, one stage a file.

A stage is a pure function of a case's scans and of its own configuration. It decides, obeys, and
says what it decided; it knows neither disk nor order: which stages run, and what is kept between
them, is the business of the flow that composes them.
"""
