"""Training jobs that a Ray cluster runs for rmr1: TRL trainers, supervised from outside through a log and a store."""
