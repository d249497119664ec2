"""What things are: events, vocabularies, the reporting calendar, settings. Imports nothing of ours."""
