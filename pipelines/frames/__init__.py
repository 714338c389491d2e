"""Reading what the camera took: folders of pictures, single pictures, dash-cam videos."""
