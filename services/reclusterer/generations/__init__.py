"""The life of a generation: snapshot, build, lineage, guard, publish, backfill, announce; and the diff of two."""
