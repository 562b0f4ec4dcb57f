//! What the kernel probe and its loader agree on.
#![no_std]
