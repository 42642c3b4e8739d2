"""The paper's analyses: zero-shot heuristics, transfer of layers, the report, estimates of cost."""
