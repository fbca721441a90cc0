"""A scorecard in, one offline HTML file out."""
