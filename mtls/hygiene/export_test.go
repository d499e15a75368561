package hygiene

// OneNumber reports whether every number in a JSON text is the same one to all who read it.
func OneNumber(text string) bool { return oneNumber(text) }
