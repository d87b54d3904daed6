"""The pure part: records, states, buckets, batches. No files, sockets, clocks, logging or plugins."""
