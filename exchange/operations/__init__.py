"""What whoever runs a venue needs besides it: settings, logs, measurements, probes, copies of the journal."""
