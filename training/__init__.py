"""How models are made and judged: data sets, training, export, evaluation."""
