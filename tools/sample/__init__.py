"""The made-up trust space with known defects: written anew by ``make sample``."""
