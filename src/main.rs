//! The scap command.

mod memory;

use std::process::ExitCode;
use std::thread;

use rustix::process::{Resource, getrlimit};

/// The stack for the command, in bytes; the usual limit.
const STACK: usize = 8 << 20;
/// The exit code after a panic, as of any program in Rust.
const PANICKED: u8 = 101;

fn main() -> ExitCode {
    memory::exit_when_exhausted();
    let limit = getrlimit(Resource::Stack).current;
    if limit.is_none_or(|bytes| bytes >= STACK as u64) {
        return run();
    }
    // Beyond the shell's limit, the program would end by a signal. Only then there is another thread: it would also need
    // more address space, which can be limited, too.
    let own = thread::Builder::new()
        .name("scap".to_owned())
        .stack_size(STACK);
    match own.spawn(run) {
        // A panic has been printed.
        Ok(command) => command.join().unwrap_or(ExitCode::from(PANICKED)),
        Err(_) => run(),
    }
}

fn run() -> ExitCode {
    scap::cli::run(std::env::args_os())
}
