//! Bit masks and enumerations by name.
//!
//! The order of the tables matters: a value made of several bits prints the names in table order.

use scap_capture_format::schema::FlagTable;

use super::number;

/// Names collected into `(A|B)`; empty if no name matched.
struct Names<'a> {
    out: &'a mut Vec<u8>,
    open: bool,
}

impl Names<'_> {
    fn push(&mut self, name: &str) {
        self.out.push(if self.open { b'|' } else { b'(' });
        self.out.extend_from_slice(name.as_bytes());
        self.open = true;
    }

    /// Adds the bits that have no name.
    fn rest(&mut self, bits: u64, write: impl FnOnce(&mut Vec<u8>, u64)) {
        if bits != 0 {
            self.push("");
            write(self.out, bits);
        }
    }

    fn finish(self) {
        if self.open {
            self.out.push(b')');
        }
    }
}

/// Appends `(A|B)` for the bits of a mask. Those without a name follow as a number: `(A|0x200000)`, `(0x200000)`.
pub fn mask(out: &mut Vec<u8>, value: u64, table: &FlagTable) {
    let mut names = Names { out, open: false };
    let mut remaining = value;
    for (name, bits) in table.entries.iter().copied() {
        let matches = if bits == 0 {
            value == 0
        } else {
            remaining != 0 && remaining & bits == bits
        };
        if matches {
            names.push(name);
            remaining &= !bits;
        }
        if bits != 0 && bits == value {
            break;
        }
    }
    names.rest(remaining, |out, bits| {
        out.extend_from_slice(b"0x");
        number::hex_lower(out, bits);
    });
    names.finish();
}

/// Appends `(A)` for a number of an enumeration; names that share it all appear.
pub fn enumeration(out: &mut Vec<u8>, value: u64, table: &FlagTable) {
    let mut names = Names { out, open: false };
    for (name, number) in table.entries.iter().copied() {
        if number == value {
            names.push(name);
        }
    }
    names.finish();
}

/// Appends the names of permission and file type bits; bits without one follow as an octal number.
pub fn mode(out: &mut Vec<u8>, value: u32, table: &FlagTable) {
    let mut names = Names { out, open: false };
    let value = u64::from(value);
    let mut remaining = value;
    for (name, bits) in table.entries.iter().copied() {
        if bits != 0 && bits == value {
            names.push(name);
            break;
        }
        if bits != 0 && remaining & bits == bits {
            names.push(name);
            remaining &= !bits;
        }
    }
    names.rest(remaining, number::oct);
    names.finish();
}

#[cfg(test)]
mod tests {
    use scap_capture_format::schema::{EventType, ParamDetail, types};

    use super::*;

    fn table(ty: EventType, param: &str) -> &'static FlagTable {
        match ty.info().unwrap().param(param).unwrap().1.info {
            ParamDetail::Flags(table) => table,
            other => panic!("{param}: {other:?}"),
        }
    }

    fn printed(f: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn masks_print_in_table_order() {
        let open = table(types::SYSCALL_OPEN_X, "flags");
        let m = |v| printed(|o| mask(o, v, open));
        assert_eq!(m(4097), "(O_RDONLY|O_CLOEXEC)");
        assert_eq!(m(0), "(O_NONE)");
        assert_eq!(m(1), "(O_RDONLY)");
        assert_eq!(m(3), "(O_RDWR)");
        assert_eq!(m(52), "(O_EXCL|O_DSYNC|O_CREAT)");
        assert_eq!(m(0x8000_0000), "(0x80000000)");
        assert_eq!(m(0x8000_1001), "(O_RDONLY|O_CLOEXEC|0x80000000)");
        let mmap = table(types::SYSCALL_MMAP_X, "flags");
        assert_eq!(
            printed(|o| mask(o, 10, mmap)),
            "(MAP_PRIVATE|MAP_ANONYMOUS)"
        );
        assert_eq!(printed(|o| mask(o, 0, mmap)), "");
    }

    #[test]
    fn enumerations_match_exactly() {
        let whence = table(types::SYSCALL_LSEEK_X, "whence");
        assert_eq!(printed(|o| enumeration(o, 1, whence)), "(SEEK_CUR)");
        assert_eq!(printed(|o| enumeration(o, 9, whence)), "");
        let domain = table(types::SOCKET_SOCKET_X, "domain");
        assert_eq!(printed(|o| enumeration(o, 2, domain)), "(AF_INET)");
        assert!(printed(|o| enumeration(o, 1, domain)).contains("AF_UNIX"));
    }

    #[test]
    fn modes_are_permission_bits() {
        let chmod = table(types::SYSCALL_CHMOD_X, "mode");
        let m = |v| printed(|o| mode(o, v, chmod));
        assert_eq!(m(0o644), "(S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR)");
        assert_eq!(
            m(0o4755),
            "(S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID)"
        );
        assert_eq!(m(0), "");
        assert_eq!(m(0o100_644), "(S_IROTH|S_IRGRP|S_IWUSR|S_IRUSR|0100000)");
    }
}
