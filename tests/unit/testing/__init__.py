"""Tests of the models and harnesses that other tests use."""
