//! Values of columns that no field has.

use ring::digest;
use scap_capture_format::schema::{self, Arch};

use super::cell;
use crate::event::syscall;
use crate::fields::Context;

/// Appends the duration of a call; the field `evt.latency` is 0 where it is not known.
pub(super) fn latency(out: &mut Vec<u8>, cx: &Context<'_>) {
    optional(out, cx.event.latency);
}

/// Appends the number of a call. A call without a type of its own has it; the number of others is that of their name.
pub(super) fn number(out: &mut Vec<u8>, cx: &Context<'_>) {
    let arch = cx.session.arch;
    let number = || {
        if syscall::is_generic(cx.event.ty) {
            return syscall::call(cx.event, arch).number;
        }
        let call = schema::syscall::by_name(cx.event.ty.info()?.name)?;
        match arch? {
            Arch::X86_64 => call.nr_x86_64,
            Arch::Aarch64 => call.nr_aarch64,
        }
        .map(u32::from)
    };
    optional(out, number().map(u64::from));
}

/// Appends the id of the process that no other has: the first 16 bytes of SHA-256 over the id of the boot, the process id and the
/// start in nanoseconds since the epoch, in decimal, with a NUL after the first two; as base64 for URLs, without padding.
pub(super) fn process(out: &mut Vec<u8>, cx: &Context<'_>) {
    let hash = || {
        let thread = cx.view.thread()?;
        let start = cx.view.main(thread)?.began(cx.session.boot_time())?;
        let boot = &cx.session.machine.boot_id;
        let text = format!("{boot}\0{}\0{start}", thread.pid.0);
        (!boot.is_empty()).then(|| digest::digest(&digest::SHA256, text.as_bytes()))
    };
    match hash().as_ref().and_then(|hash| hash.as_ref().get(..16)) {
        Some(bytes) => cell::text_of(out, |out| base64(out, bytes)),
        None => cell::null(out),
    }
}

fn optional(out: &mut Vec<u8>, value: Option<u64>) {
    match value.and_then(|value| i64::try_from(value).ok()) {
        Some(value) => cell::integer(out, value),
        None => cell::null(out),
    }
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for group in bytes.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=group.len() {
            out.push(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_everybody() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy")] {
            let mut out = Vec::new();
            base64(&mut out, bytes.as_bytes());
            assert_eq!(out, text.as_bytes());
        }
        let mut out = Vec::new();
        base64(&mut out, &[0xfb, 0xff]);
        assert_eq!(out, b"-_8");
    }
}
