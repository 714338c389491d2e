"""The forest job: an orthophoto in, a stand map out."""
