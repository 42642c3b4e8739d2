"""MLflow, reached from here and nowhere else in the stages."""
