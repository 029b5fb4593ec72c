"""Values as lists and forms write them: certificate names, identifiers, départements, contacts."""
