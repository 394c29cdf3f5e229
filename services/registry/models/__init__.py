"""Models of devices: what each promises, by which its devices are judged."""
