"""The life of a generation: snapshot, build, lineage, guard, publish, announce."""
