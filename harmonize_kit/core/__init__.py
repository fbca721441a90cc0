"""The nouns every room speaks: cases and cohorts, volumes, feature tables, harmonizers, scorecards.

Nothing here touches the disk, starts work or knows a vendor but numpy and pandas.
"""
