"""Stable alloys of a chemical system, found with a moment tensor potential that learns as it relaxes."""

__version__ = '0.1.0'
