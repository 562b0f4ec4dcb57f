//! The scap command.

use std::process::ExitCode;

fn main() -> ExitCode {
    scap::cli::run(std::env::args_os())
}
