//! The scap command.

fn main() {}
