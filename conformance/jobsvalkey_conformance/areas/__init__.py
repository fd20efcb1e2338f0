"""The tests of the suite, one file an area. The first sentence of each is what the contract says."""
