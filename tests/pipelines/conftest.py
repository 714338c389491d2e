"""Lets the tests of this folder import what they share (`road_simulator`): pytest's importlib mode adds no paths."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
