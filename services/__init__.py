"""The services. Arrows run `cli` → services → `chassis` → `contracts`; the three services never import each other."""
