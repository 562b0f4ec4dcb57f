//! Captures whose checksums are right and whose content lies.
