"""One play for each incident: who does what when, and what is measured. Imports the stage and rules as they were."""
