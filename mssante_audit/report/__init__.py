"""Reports: notebooks run and turned into HTML files that anyone can open."""
