"""What facestream is about, without any server: events, records, identifiers, topics, and whose face a face is."""
