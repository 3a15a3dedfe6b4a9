"""The program: sets, columns, rows and costs of docs/model.md as sparse arrays."""
