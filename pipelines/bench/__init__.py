"""Speed and memory, side by side in one run, as ratios: times alone say more about the machine than about the code."""
