"""People who are called when hubs are not enough: by council, in order, within their hours. Who they are is encrypted."""
