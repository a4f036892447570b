"""Each mechanism taken out, one at a time, on a copy: the test of its promise must turn red. `make mutation`."""
