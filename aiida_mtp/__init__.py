"""Finds the stable alloys of a chemical system with a potential that learns as it relaxes."""

__version__ = '0.1.0'
