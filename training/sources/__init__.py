"""Where labelled pictures come from: the catalogue of data sets, and readers of the layouts they come in."""
