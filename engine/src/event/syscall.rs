//! Events of syscalls without a type of their own.
//!
//! Native captures store such a call as `syscall <` with its number, result and six raw arguments. The
//! names and C types of the arguments are from the kernel's own prototypes.

use std::sync::LazyLock;

use hashbrown::HashMap;
use scap_capture_format::schema::{Arch, EventType, Syscall, SyscallArg, syscall, types};

use super::text::{self, Put};
use super::{Event, EventExt as _, Names, alert, async_event};
use super::{fds, number};

/// Parameters of `syscall <`.
mod param {
    pub(super) const ID: usize = 0;
    pub(super) const NATIVE_ID: usize = 1;
    pub(super) const RESULT: usize = 2;
    pub(super) const FIRST_ARG: usize = 3;
    pub(super) const ABI: usize = 9;
}

/// The 32-bit ABI of x86 in the `abi` parameter.
const ABI_IA32: u64 = 1;

/// The call of a generic event.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its name, if the number is known.
    pub name: Option<&'static str>,
    /// Its prototype, if known.
    pub prototype: Option<&'static Syscall>,
    /// Its number in the capture's own ABI.
    pub number: Option<u32>,
}

/// Whether events of this type are calls without a type of their own.
pub fn is_generic(ty: EventType) -> bool {
    ty == types::GENERIC_E || ty == types::GENERIC_X
}

/// Returns the index of the parameter with a call's result.
pub fn result_param(ty: EventType) -> usize {
    if ty == types::GENERIC_X {
        param::RESULT
    } else {
        0
    }
}

/// `sigreturn` and `rt_sigreturn` in the 32-bit ABI of x86.
const SIGRETURN_IA32: [u64; 2] = [119, 173];
/// The codes of these calls in the schema.
const SIGRETURN: [u64; 2] = [410, 298];

/// Whether a call has a result. Those that return from a signal handler restore the registers of the
/// interrupted code: what they seem to return is the value of a register.
#[inline]
pub fn has_result(event: &Event<'_>) -> bool {
    if event.ty != types::GENERIC_X {
        return true;
    }
    let is_one = |index, of: [u64; 2]| event.uint(index).is_some_and(|n| of.contains(&n));
    match event.uint(param::ABI) {
        Some(ABI_IA32) => !is_one(param::NATIVE_ID, SIGRETURN_IA32),
        _ => !is_one(param::ID, SIGRETURN),
    }
}

/// Returns the fd whose file a call without a type of its own works on: its argument `fd`. A `utimensat`
/// without a path, which is how `futimens` calls it, works on its directory fd; with a path, a directory
/// fd is only where the path starts.
pub fn file_argument(event: &Event<'_>, arch: Option<Arch>) -> Option<i64> {
    if event.ty != types::GENERIC_X {
        return None;
    }
    match call(event, arch).name {
        Some("utimensat") if event.uint(param::FIRST_ARG + 1) == Some(0) => {
            number_of(event, 0, true)
        }
        _ => argument_number(event, arch, "fd"),
    }
}

/// Returns the argument with this name of a call without a type of its own as a number.
pub fn argument_number(event: &Event<'_>, arch: Option<Arch>, name: &str) -> Option<i64> {
    let args = call(event, arch).prototype?.args;
    let index = args.iter().position(|arg| arg.name == name)?;
    let is_32bit = matches!(form(&args[index]), Form::Fd | Form::Signed(32));
    number_of(event, index, is_32bit)
}

/// Returns an argument: a register has 64 bits, of which a call may use the lower half only.
fn number_of(event: &Event<'_>, index: usize, is_32bit: bool) -> Option<i64> {
    let value = event.uint(param::FIRST_ARG + index)?;
    match is_32bit {
        true => Some(i64::from(
            u32::try_from(value & 0xffff_ffff).ok()?.cast_signed(),
        )),
        false => Some(value.cast_signed()),
    }
}

/// Returns the call of a generic event; `arch` is the architecture of the recorded machine.
pub fn call(event: &Event<'_>, arch: Option<Arch>) -> Call {
    let number = event
        .uint(param::NATIVE_ID)
        .and_then(|n| u32::try_from(n).ok());
    if event.ty == types::GENERIC_X && event.uint(param::ABI) == Some(ABI_IA32) {
        let name = number.and_then(syscall::ia32_name);
        return Call {
            name,
            prototype: name.and_then(syscall::by_name),
            number,
        };
    }
    let by_code = event
        .uint(param::ID)
        .and_then(|id| u16::try_from(id).ok())
        .and_then(syscall::by_ppm_sc);
    // The schema has no code for the newest calls; they are found by number.
    let prototype = by_code.or_else(|| syscall::by_nr(arch?, number?));
    Call {
        name: prototype.map(|p| p.name),
        prototype,
        number,
    }
}

/// Appends the name of an event; for a generic type, that of the syscall.
pub fn event_name(out: &mut Vec<u8>, event: &Event<'_>, arch: Option<Arch>) {
    if is_generic(event.ty) {
        let call = call(event, arch);
        match (call.name, call.number) {
            (Some(name), _) => out.extend_from_slice(name.as_bytes()),
            (None, Some(number)) => {
                out.extend_from_slice(b"syscall_");
                number::udec(out, u64::from(number));
            }
            (None, None) => out.extend_from_slice(b"<unknown>"),
        }
        return;
    }
    match event.info() {
        Some(_) if event.ty == types::ASYNCEVENT_E && alert::is_alert(event) => {
            out.extend_from_slice(async_event::ALERT);
        }
        Some(info) => out.extend_from_slice(info.name.as_bytes()),
        None => {
            out.extend_from_slice(b"event-type-");
            number::udec(out, u64::from(event.ty.0));
        }
    }
}

/// Appends the arguments of a generic call, each as `name=value `; the caller appends the result.
pub(super) fn arguments<N: Names + ?Sized>(
    out: &mut Vec<u8>,
    event: &Event<'_>,
    arch: Option<Arch>,
    names: &N,
    put: Put,
) {
    let call = call(event, arch);
    let known = call.prototype.map_or(&[][..], |p| p.args);
    // Without a prototype, the number of arguments is unknown, so all six registers are printed.
    let count = if call.prototype.is_some() {
        known.len()
    } else {
        6
    };
    for index in 0..count.min(6) {
        let place = param::FIRST_ARG + index;
        let value = event.uint(place);
        let (value, arg) = match (value, known.get(index)) {
            (Some(value), arg) => (value, arg),
            // The file has it, but it was not known.
            (None, Some(arg)) if event.params.iter().nth(place).is_some() => {
                out.extend_from_slice(arg.name.as_bytes());
                out.extend_from_slice(b"=<NA> ");
                continue;
            }
            _ => continue,
        };
        match arg {
            Some(arg) => {
                out.extend_from_slice(arg.name.as_bytes());
                out.push(b'=');
                argument(out, arg, value, names, put);
            }
            None => {
                out.extend_from_slice(b"arg");
                number::udec(out, u64::try_from(index).unwrap_or(0));
                out.extend_from_slice(b"=0x");
                number::hex_lower(out, value);
            }
        }
        out.push(b' ');
    }
}

/// The format of a C type.
enum Form {
    /// An fd of the calling thread.
    Fd,
    /// A signed number of this many bits.
    Signed(u32),
    /// An unsigned number of this many bits.
    Unsigned(u32),
    /// Permission bits.
    Octal,
    /// Pointers, masks, addresses.
    Hex,
}

fn form(arg: &SyscallArg) -> Form {
    if arg.ctype.contains('*') {
        return Form::Hex;
    }
    match arg.ctype.trim_start_matches("const ") {
        "int" | "unsigned int" | "unsigned" | "unsigned long" if is_fd_name(arg.name) => Form::Fd,
        // On Linux, message queues are fds.
        "mqd_t" => Form::Fd,
        "int" | "pid_t" | "key_t" | "key_serial_t" | "clockid_t" | "timer_t" | "qid_t"
        | "rwf_t" => Form::Signed(32),
        "long" | "loff_t" | "off_t" => Form::Signed(64),
        "unsigned int" | "unsigned" | "u32" | "__u32" | "uid_t" | "gid_t" => Form::Unsigned(32),
        "unsigned char" => Form::Unsigned(8),
        "size_t" => Form::Unsigned(64),
        "umode_t" => Form::Octal,
        _ => Form::Hex,
    }
}

/// Whether the kernel's name of an argument means an fd.
fn is_fd_name(name: &str) -> bool {
    name.ends_with("fd")
        || name.ends_with("fildes")
        || matches!(name, "fd_in" | "fd_out" | "fdin" | "fdout")
}

fn argument<N: Names + ?Sized>(
    out: &mut Vec<u8>,
    arg: &SyscallArg,
    value: u64,
    names: &N,
    put: Put,
) {
    // A register holds 64 bits; the call uses those of its type.
    let low = value & 0xffff_ffff;
    match form(arg) {
        Form::Fd => {
            let fd = u32::try_from(low).unwrap_or(0).cast_signed();
            super::render::fd(out, fds::passed(fd.into(), || arg.name), names, put);
        }
        Form::Signed(32) => {
            let int = u32::try_from(low).unwrap_or(0).cast_signed();
            number::dec(out, i64::from(int));
        }
        Form::Signed(_) => number::dec(out, value.cast_signed()),
        Form::Unsigned(8) => number::udec(out, value & 0xff),
        Form::Unsigned(32) => number::udec(out, low),
        Form::Unsigned(_) => number::udec(out, value),
        Form::Octal => number::oct(out, value & 0xffff),
        Form::Hex => {
            out.extend_from_slice(b"0x");
            number::hex_lower(out, value);
        }
    }
}

/// The index of the first fd among a call's arguments, by name of the call.
static FD_ARGUMENTS: LazyLock<HashMap<&'static str, usize>> = LazyLock::new(|| {
    let is_fd = |arg: &SyscallArg| matches!(form(arg), Form::Fd);
    let index = |call: &'static Syscall| Some((call.name, call.args.iter().position(is_fd)?));
    syscall::all().filter_map(index).collect()
});

/// Whether a call takes an fd.
pub fn has_fd_argument(call: &Syscall) -> bool {
    FD_ARGUMENTS.contains_key(call.name)
}

/// Returns the first fd among the arguments of a call without a type of its own, if it has one.
pub fn fd_argument(event: &Event<'_>, arch: Option<Arch>) -> Option<i64> {
    let index = FD_ARGUMENTS.get(call(event, arch).prototype?.name)?;
    // The call uses the low half of the register.
    let value = event.uint(param::FIRST_ARG + index)? & 0xffff_ffff;
    Some(u32::try_from(value).ok()?.cast_signed().into())
}

/// Appends the argument with this name, with unescaped text, of a call without a type of its own; returns false if there is none.
pub fn argument_named<N: Names + ?Sized>(
    out: &mut Vec<u8>,
    event: &Event<'_>,
    arch: Option<Arch>,
    name: &str,
    names: &N,
) -> bool {
    let known = call(event, arch).prototype.map_or(&[][..], |p| p.args);
    let found = known.iter().enumerate().find(|(_, arg)| arg.name == name);
    let Some((index, arg)) = found else {
        return false;
    };
    let Some(value) = event.uint(param::FIRST_ARG + index) else {
        return false;
    };
    argument(out, arg, value, names, text::raw);
    true
}

/// Returns the category of a call without a type of its own, as in `evt.category` (falcosecurity libs:
/// `g_syscall_info_table`); found by prefixes of names.
pub fn category(name: &str) -> &'static str {
    const BY_PREFIX: &[(&str, &str)] = &[
        ("sigaltstack", "unknown"),
        ("exit_group", "unknown"),
        ("rt_sig", "signal"),
        ("sig", "signal"),
        ("mq_", "IPC"),
        ("msg", "IPC"),
        ("sem", "IPC"),
        ("shm", "IPC"),
        ("futex", "IPC"),
        ("inotify_", "IPC"),
        ("clock_nanosleep", "sleep"),
        ("clock_", "time"),
        ("timer", "time"),
        ("epoll_pwait", "wait"),
        ("epoll_wait", "wait"),
        ("wait", "wait"),
        ("pause", "wait"),
        ("pselect6", "wait"),
        ("mprotect", "memory"),
        ("madvise", "memory"),
        ("mincore", "memory"),
        ("mlock", "memory"),
        ("munlock", "memory"),
        ("mremap", "memory"),
        ("msync", "memory"),
        ("getuid", "user"),
        ("geteuid", "user"),
        ("getgid", "user"),
        ("getegid", "user"),
        ("getgroups", "user"),
        ("setgroups", "user"),
        ("arch_prctl", "process"),
        ("get_robust_list", "process"),
        ("set_robust_list", "process"),
        ("set_tid_address", "process"),
        ("getpid", "process"),
        ("getrusage", "process"),
        ("exit", "process"),
        ("getppid", "process"),
        ("gettid", "process"),
        ("getpgid", "process"),
        ("getpgrp", "process"),
        ("setpgid", "process"),
        ("getsid", "process"),
        ("getpriority", "process"),
        ("setpriority", "process"),
        ("sched_", "process"),
        ("alarm", "time"),
        ("gettimeofday", "time"),
        ("settimeofday", "time"),
        ("getitimer", "time"),
        ("setitimer", "time"),
        ("adjtimex", "time"),
        ("times", "time"),
        ("readahead", "file"),
        ("readlink", "file"),
        ("fallocate", "file"),
        ("fdatasync", "file"),
        ("fsync", "file"),
        ("ftruncate", "file"),
        ("truncate", "file"),
        ("fadvise64", "file"),
        ("statfs", "file"),
        ("fstatfs", "file"),
        ("utime", "file"),
        ("futimesat", "file"),
        ("sync", "file"),
        ("getxattr", "file"),
        ("setxattr", "file"),
        ("listxattr", "file"),
    ];
    BY_PREFIX
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map_or("other", |(_, category)| category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_without_a_result_are_those_that_return_from_a_handler() {
        let named = SIGRETURN_IA32.map(|n| syscall::ia32_name(n as u32));
        assert_eq!(named, [Some("sigreturn"), Some("rt_sigreturn")]);
        let named = SIGRETURN.map(|code| syscall::by_ppm_sc(code as u16).map(|call| call.name));
        assert_eq!(named, [Some("sigreturn"), Some("rt_sigreturn")]);
    }
}
