//! A segmented write-ahead log of entries that carry offset ranges.
