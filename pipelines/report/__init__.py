"""What people open: pages, sheets, documents, pictures."""
