"""What `make demo` works on: a real small model and a data set made by the project."""
