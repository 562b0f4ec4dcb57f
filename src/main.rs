//! The scap command.

mod memory;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::exit_when_exhausted();
    scap::cli::run(std::env::args_os())
}
