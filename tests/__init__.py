"""A package, and no namespace: one of the tools that they use brings a package of this name, which would come before it."""
