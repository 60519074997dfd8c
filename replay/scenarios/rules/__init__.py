"""Rules as they were: one small module for each incident, with the source it was taken from. No venue, no journal."""
