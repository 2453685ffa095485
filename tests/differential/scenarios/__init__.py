"""Scripted requests. Every function `scenario_*` takes a `Session` and is played at both brokers."""
