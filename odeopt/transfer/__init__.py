"""What to change when something changes: schedules by their bounds, and losses of runs that were never made."""
