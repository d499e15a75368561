package main

// Main is the program, for a test binary that plays it.
var Main = main
