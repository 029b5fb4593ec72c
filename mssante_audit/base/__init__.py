"""Base: errors, files, instants and French typography; knows nothing of MSSanté."""
