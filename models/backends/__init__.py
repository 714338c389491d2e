"""What runs a network: one file a back end, each importing its library only when it is asked for."""
