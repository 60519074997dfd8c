"""Surveillance: practices of market abuse as they look in a journal, cases with their evidence, drafts of reports.

Reads only. A case is a reason to look, never a verdict. Imports the engine and the order events of the export.
"""
