"""Where things are: tracks, cameras, road networks and the layers written from them. Knows no model and no job."""
