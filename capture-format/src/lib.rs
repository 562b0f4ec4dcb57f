//! Event schema and capture file formats of scap.
