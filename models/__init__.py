"""What is seen: detectors behind one protocol, their cards, and the measures they are judged by."""
