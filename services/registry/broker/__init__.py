"""The broker's register of users, made to say what the database says (Mosquitto's dynamic security)."""
