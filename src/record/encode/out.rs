//! Parameters under construction.

use super::Raw;

/// Lengths and bytes of the parameters of one event, in reusable buffers.
pub(crate) struct Out {
    /// Length of each parameter in bytes; 0 = absent.
    pub(crate) lens: Vec<u32>,
    /// The parameters, back to back.
    pub(crate) data: Vec<u8>,
    /// Parts of a parameter that are put together elsewhere first.
    pub(super) scratch: Vec<u8>,
}

impl Out {
    pub(in crate::record) fn new() -> Self {
        Self {
            lens: Vec::with_capacity(40),
            data: Vec::with_capacity(1 << 18),
            scratch: Vec::new(),
        }
    }

    pub(in crate::record) fn clear(&mut self) {
        self.lens.clear();
        self.data.clear();
    }

    pub(in crate::record) fn bytes(&mut self, bytes: &[u8]) {
        self.lens.push(bytes.len() as u32);
        self.data.extend_from_slice(bytes);
    }

    pub(super) fn opt_bytes(&mut self, bytes: Option<&[u8]>) {
        self.bytes(bytes.unwrap_or_default());
    }

    pub(super) fn absent(&mut self) {
        self.lens.push(0);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(in crate::record) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Adds the result of the call, if it has returned.
    pub(super) fn ret(&mut self, raw: &Raw<'_>) {
        if raw.returned {
            self.i64(raw.header.ret);
        } else {
            self.absent();
        }
    }

    /// Adds a value of the process's memory use, converted from pages to KiB.
    pub(super) fn vm(&mut self, raw: &Raw<'_>, nth: usize) {
        match raw.vm_pages() {
            Some(pages) => self.u32(kilobytes(pages[nth])),
            None => self.absent(),
        }
    }

    /// Adds a text and its NUL.
    pub(in crate::record) fn str(&mut self, text: &[u8]) {
        self.lens.push(text.len() as u32 + 1);
        self.data.extend_from_slice(text);
        self.data.push(0);
    }

    pub(super) fn opt_str(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.str(text),
            None => self.absent(),
        }
    }

    /// Adds the C string that an argument points to. It lacks its NUL if it was cut.
    pub(super) fn string(&mut self, raw: &Raw<'_>, arg: u8) {
        match raw.string(arg) {
            Some(text) if raw.is_cut(arg) => self.bytes(text),
            text => self.opt_str(text),
        }
    }

    /// Begins a parameter that is built in `data`; [`Self::end`] ends it.
    pub(super) fn begin(&self) -> usize {
        self.data.len()
    }

    pub(super) fn end(&mut self, start: usize) {
        self.lens.push((self.data.len() - start) as u32);
    }
}

/// Pages as KiB. All machines that the probe runs on have pages of 4 KiB.
pub(super) fn kilobytes(pages: u64) -> u32 {
    u32::try_from(pages.saturating_mul(4)).unwrap_or(u32::MAX)
}
