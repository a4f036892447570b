"""The promises under load: real processes, killed and refused at random, and every text accounted for."""
