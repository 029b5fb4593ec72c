"""Analysis and audit of the MSSanté trust space."""
