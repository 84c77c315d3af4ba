//! FLV files: a reader that takes bytes as they come, and a writer.
