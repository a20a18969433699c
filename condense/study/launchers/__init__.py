"""Launchers: who has cells computed by other processes, each by the command `condense cell STUDY KEY`."""
