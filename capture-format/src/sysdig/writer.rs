//! Writes a file.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::block;
use super::facts::Facts;
use crate::event::{EventFlags, EventRef, Loaded};
use crate::native::snapshot::{FdEntry, InterfaceEntry, SocketEntry, StringId, ThreadEntry};
use crate::native::{MachineInfo, Snapshot};
use crate::schema::event_info;
use crate::{Error, Result, limits};

/// Options of writing a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterOptions {
    /// Compress with gzip, as `sysdig -z` does.
    pub gzip: bool,
    /// The fields of list entries.
    pub tail: Tail,
}

/// The fields of the lists' entries.
///
/// Fields were added to the entries of threads over the years, two of them before existing ones. sysdig up to 0.29.3 reads
/// the first bytes as the login user, and rejects files with unknown kinds of fds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// Fields that all readers understand: of threads the login user and whether the executable is writable, without
    /// terminal, capabilities, inode and times of the executable; fds of newer kinds have the kind
    /// "unsupported".
    #[default]
    Compatible,
    /// All fields that the newest readers understand.
    Full,
}

/// Longest name of a thread or executable, longest directory, in bytes.
const PATH_BYTES: usize = 1024;
/// Longest list of arguments, variables or cgroups, in bytes.
const LIST_BYTES: usize = 4096;
/// Longest name of an fd, in bytes.
const FD_NAME_BYTES: usize = 1023;
/// Longest string of a user or group, in bytes.
const USER_BYTES: usize = 255;
/// Host name, in bytes, NUL-padded.
const HOST_NAME: usize = 128;
/// Largest block of an event that is not large by type, without its type and length, in bytes.
const EVENT_BLOCK: usize = 65_536;
/// Size at which a list of threads or fds is continued in another block, in bytes.
const LIST_BLOCK: usize = 8 << 20;
/// Size at which the buffer is written, in bytes.
const FLUSH_BYTES: usize = 256 << 10;
/// The kind of unsupported fds.
const FD_UNSUPPORTED: u8 = 10;
/// The highest kind of fd that all readers support: a file with flags and device.
const FD_COMPATIBLE: u8 = 16;
/// The highest kind of fd that the newest readers support: a pidfd.
const FD_NEWEST: u8 = 21;

enum Sink<W: Write> {
    Raw(W),
    Gzip(Box<GzEncoder<W>>),
}

impl<W: Write> Sink<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Raw(out) => out.write_all(bytes)?,
            Self::Gzip(out) => out.write_all(bytes)?,
        }
        Ok(())
    }
}

/// Writes a .scap file that sysdig and Falco read.
///
/// Events are written unchanged; for older readers, convert them first, see [`Downgrade`](super::Downgrade). Readers
/// reject a file without events.
pub struct SysdigWriter<W: Write> {
    sink: Sink<W>,
    buffer: Vec<u8>,
    tail: Tail,
    /// Start of the block in `buffer`.
    block: usize,
    cut: u64,
    left_out: u64,
}

impl<W: Write> SysdigWriter<W> {
    /// Starts a file with the machine and the initial state.
    ///
    /// The writer has its own buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] from `out`.
    pub fn new(
        out: W,
        machine: &MachineInfo,
        snapshot: &Snapshot,
        options: WriterOptions,
    ) -> Result<Self> {
        let sink = if options.gzip {
            Sink::Gzip(Box::new(GzEncoder::new(out, Compression::default())))
        } else {
            Sink::Raw(out)
        };
        let mut writer = Self {
            sink,
            buffer: Vec::new(),
            tail: options.tail,
            block: 0,
            cut: 0,
            left_out: 0,
        };
        writer.begin(block::SECTION);
        writer.put(&0x1A2B_3C4D_u32.to_le_bytes());
        writer.put(&[1, 0, 2, 0]);
        writer.put(&[0xff; 8]);
        writer.end()?;
        writer.machine(machine)?;
        writer.interfaces(snapshot)?;
        writer.users(snapshot)?;
        writer.threads(snapshot, machine.boot_time.0)?;
        writer.fds(snapshot)?;
        Ok(writer)
    }

    /// Appends an event. The file has no fields for its process id and latency, and of its flags only for
    /// [`EventFlags::HIDDEN`].
    ///
    /// # Errors
    ///
    /// [`Error::NotLoaded`]; [`Error::Limit`] for an event that no reader accepts, of which nothing is written: more than
    /// 64 KiB even with truncated data, or too many parameters; [`Error::Io`].
    pub fn event(&mut self, event: &EventRef<'_>) -> Result<()> {
        if event.params.loaded() != Loaded::All {
            return Err(Error::NotLoaded);
        }
        let large = Facts::of(event.ty).is_some_and(Facts::is_large);
        let hidden = event.flags.contains(EventFlags::HIDDEN);
        let width: usize = if large { 4 } else { 2 };
        let nparams = event.params.len();
        crate::error::check_limit(
            "number of parameters",
            nparams as u64,
            limits::EVENT_PARAMS as u64,
        )?;
        let values: u64 = event.params.lens().iter().map(|l| u64::from(*l)).sum();
        let head = if hidden { 6_usize } else { 2 };
        let fixed = nparams.saturating_mul(width).saturating_add(26);
        let most = if large {
            limits::EVENT_BYTES
        } else {
            // Trailer and padding are included.
            EVENT_BLOCK
                .saturating_sub(8)
                .saturating_sub(head)
                .saturating_sub(fixed)
        };
        // Data that does not fit is truncated, as a smaller snaplen would have done.
        let over = values.saturating_sub(most as u64);
        let data = event_info(event.ty).and_then(|i| i.io_data_param());
        let mut cut = None;
        if over > 0 {
            let data_len = data.and_then(|i| event.params.lens().get(i).copied());
            let Some(new) = data_len.and_then(|len| u64::from(len).checked_sub(over)) else {
                return crate::error::check_limit("event", values, most as u64);
            };
            cut = Some((data, usize::try_from(new).unwrap_or(0)));
            self.cut = self.cut.saturating_add(1);
        }
        let value = |i: usize, value: Option<&'_ [u8]>| -> usize {
            let len = value.map_or(0, <[u8]>::len);
            match cut {
                Some((at, new)) if at == Some(i) => new.min(len),
                _ => len,
            }
        };
        let kind = match (hidden, large) {
            (false, false) => block::EVENT_V2,
            (true, false) => block::EVENT_FLAGS_V2,
            (false, true) => block::EVENT_LARGE,
            (true, true) => block::EVENT_FLAGS_LARGE,
        };
        let len = (fixed as u64).saturating_add(values).saturating_sub(over);
        self.begin(kind);
        self.put(&event.cpu.to_le_bytes());
        if hidden {
            self.put(&1_u32.to_le_bytes());
        }
        self.put(&event.ts.0.to_le_bytes());
        self.put(&event.tid.0.to_le_bytes());
        self.put(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        self.put(&event.ty.0.to_le_bytes());
        self.put(&u32::try_from(nparams).unwrap_or(0).to_le_bytes());
        for (i, param) in event.params.iter().enumerate() {
            // The limits above make the lengths fit.
            let len = u32::try_from(value(i, param)).unwrap_or(0);
            self.put(len.to_le_bytes().get(..width).unwrap_or(&[]));
        }
        for (i, param) in event.params.iter().enumerate() {
            let len = value(i, param);
            self.put(param.and_then(|p| p.get(..len)).unwrap_or(&[]));
        }
        self.end()
    }

    /// Returns the number of strings and data parameters truncated to the limits of readers.
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Returns the number of list entries that the format cannot hold: users and groups of containers, interfaces with
    /// addresses other than IPv4 and IPv6.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Finishes the file and returns the output.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<W> {
        self.sink.write_all(&self.buffer)?;
        let mut out = match self.sink {
            Sink::Raw(out) => out,
            Sink::Gzip(out) => out.finish()?,
        };
        out.flush()?;
        Ok(out)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Starts a block.
    fn begin(&mut self, kind: u32) {
        self.block = self.buffer.len();
        self.put(&kind.to_le_bytes());
        self.put(&[0; 4]);
    }

    /// Returns the length of the block so far in bytes.
    fn block_len(&self) -> usize {
        self.buffer.len().saturating_sub(self.block)
    }

    /// Ends a block: padding and both lengths.
    fn end(&mut self) -> Result<()> {
        let len = self.block_len().next_multiple_of(4);
        self.buffer.resize(self.block.saturating_add(len), 0);
        let total = u32::try_from(len.saturating_add(4)).unwrap_or(u32::MAX);
        self.patch(self.block.saturating_add(4), total);
        self.put(&total.to_le_bytes());
        if self.buffer.len() >= FLUSH_BYTES {
            self.sink.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Overwrites a number.
    fn patch(&mut self, at: usize, value: u32) {
        let place = self.buffer.get_mut(at..at.saturating_add(4));
        if let Some(place) = place {
            place.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Starts an entry that is preceded by its length. Returns its position.
    fn begin_entry(&mut self) -> usize {
        let at = self.buffer.len();
        self.put(&[0; 4]);
        at
    }

    /// Ends an entry; the length may include itself.
    fn end_entry(&mut self, at: usize, counts_itself: bool) {
        let mut len = self.buffer.len().saturating_sub(at);
        if !counts_itself {
            len = len.saturating_sub(4);
        }
        self.patch(at, u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Writes a string of at most `most` bytes, preceded by its length.
    fn str16(&mut self, string: &[u8], most: usize) {
        let cut = string.get(..most).unwrap_or(string);
        if cut.len() < string.len() {
            self.cut = self.cut.saturating_add(1);
        }
        self.put(&u16::try_from(cut.len()).unwrap_or(0).to_le_bytes());
        self.put(cut);
    }

    fn machine(&mut self, machine: &MachineInfo) -> Result<()> {
        self.begin(block::MACHINE);
        self.put(&machine.cpus.to_le_bytes());
        self.put(&machine.memory.to_le_bytes());
        self.put(&[0; 8]);
        let mut name = machine.host_name.as_bytes();
        // One NUL has to remain.
        if let Some(cut) = name.get(..HOST_NAME.saturating_sub(1))
            && cut.len() < name.len()
        {
            name = cut;
            self.cut = self.cut.saturating_add(1);
        }
        let mut field = [0; HOST_NAME];
        for (to, from) in field.iter_mut().zip(name) {
            *to = *from;
        }
        self.put(&field);
        self.put(&machine.boot_time.0.to_le_bytes());
        self.put(&[0; 24]);
        self.end()
    }

    fn interfaces(&mut self, snapshot: &Snapshot) -> Result<()> {
        let is = |i: &InterfaceEntry, size: usize| {
            [&i.address, &i.netmask, &i.broadcast]
                .iter()
                .all(|a| a.len() == size)
        };
        self.begin(block::INTERFACES_V2);
        // Readers expect IPv4 first.
        for (kind, size) in [(1_u16, 4), (2, 16)] {
            for i in snapshot.interfaces.iter().filter(|i| is(i, size)) {
                let at = self.begin_entry();
                self.put(&kind.to_le_bytes());
                let name = snapshot.string(i.name);
                let name = name.get(..USER_BYTES).unwrap_or(name);
                self.put(&u16::try_from(name.len()).unwrap_or(0).to_le_bytes());
                self.put(&i.address);
                self.put(&i.netmask);
                self.put(&i.broadcast);
                self.put(&i.link_speed.to_le_bytes());
                self.put(name);
                self.end_entry(at, false);
            }
        }
        let other = snapshot.interfaces.iter();
        let other = other.filter(|i| !is(i, 4) && !is(i, 16)).count();
        self.left_out = self.left_out.saturating_add(other as u64);
        self.end()
    }

    fn users(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.begin(block::USERS_V2);
        for user in &snapshot.users {
            if user.container != StringId(0) {
                self.left_out = self.left_out.saturating_add(1);
                continue;
            }
            let at = self.begin_entry();
            self.put(&[0]);
            self.put(&user.uid.to_le_bytes());
            self.put(&user.gid.to_le_bytes());
            for string in [user.name, user.home, user.shell] {
                self.str16(snapshot.string(string), USER_BYTES);
            }
            self.end_entry(at, true);
        }
        for group in &snapshot.groups {
            if group.container != StringId(0) {
                self.left_out = self.left_out.saturating_add(1);
                continue;
            }
            let at = self.begin_entry();
            self.put(&[1]);
            self.put(&group.gid.to_le_bytes());
            self.str16(snapshot.string(group.name), USER_BYTES);
            self.end_entry(at, true);
        }
        self.end()
    }

    fn threads(&mut self, snapshot: &Snapshot, boot: u64) -> Result<()> {
        self.begin(block::THREADS_V9);
        for thread in &snapshot.threads {
            if self.block_len() > LIST_BLOCK {
                self.end()?;
                self.begin(block::THREADS_V9);
            }
            self.thread(snapshot, thread, boot);
        }
        self.end()
    }

    fn thread(&mut self, s: &Snapshot, t: &ThreadEntry, boot: u64) {
        let at = self.begin_entry();
        for id in [t.tid.0, t.pid.0, t.ptid.0, t.sid, t.vpgid] {
            self.put(&id.to_le_bytes());
        }
        for string in [t.comm, t.exe, t.exepath] {
            self.str16(s.string(string), PATH_BYTES);
        }
        self.str16(s.string(t.args), LIST_BYTES);
        self.str16(s.string(t.cwd), PATH_BYTES);
        self.put(&t.fdlimit.to_le_bytes());
        for number in [
            t.flags,
            t.uid,
            t.gid,
            t.vm_size_kb,
            t.vm_rss_kb,
            t.vm_swap_kb,
        ] {
            self.put(&number.to_le_bytes());
        }
        self.put(&t.pf_major.to_le_bytes());
        self.put(&t.pf_minor.to_le_bytes());
        self.str16(s.string(t.env), LIST_BYTES);
        self.put(&t.vtid.to_le_bytes());
        self.put(&t.vpid.to_le_bytes());
        self.str16(s.string(t.cgroups), LIST_BYTES);
        self.str16(s.string(t.root), PATH_BYTES);
        let full = self.tail == Tail::Full;
        if full {
            // Since boot in the snapshot, since the epoch in the file.
            let start = match t.pidns_init_start {
                0 => 0,
                start => start.saturating_add(boot),
            };
            self.put(&start.to_le_bytes());
            self.put(&t.tty.to_le_bytes());
        }
        self.put(&t.loginuid.to_le_bytes());
        self.put(&[u8::from(t.exe_writable)]);
        if full {
            for caps in [t.cap_inheritable, t.cap_permitted, t.cap_effective] {
                self.put(&caps.to_le_bytes());
            }
            self.put(&[u8::from(t.exe_upper_layer)]);
            for number in [t.exe_ino, t.exe_ctime.0, t.exe_mtime.0] {
                self.put(&number.to_le_bytes());
            }
            self.put(&[u8::from(t.exe_from_memfd), u8::from(t.exe_lower_layer)]);
            self.put(&t.pgid.to_le_bytes());
        }
        self.end_entry(at, true);
    }

    /// Writes one block for each run of fds of a thread, which preserves their order.
    fn fds(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut owner = None;
        for fd in &snapshot.fds {
            if owner != Some(fd.owner) || self.block_len() > LIST_BLOCK {
                if owner.is_some() {
                    self.end()?;
                }
                owner = Some(fd.owner);
                self.begin(block::FDS_V2);
                self.put(&fd.owner.0.to_le_bytes());
            }
            self.fd(snapshot.string(fd.name), fd);
        }
        if owner.is_some() {
            self.end()?;
        }
        Ok(())
    }

    fn fd(&mut self, name: &[u8], f: &FdEntry) {
        let newest = match self.tail {
            Tail::Compatible => FD_COMPATIBLE,
            Tail::Full => FD_NEWEST,
        };
        let kind = if f.kind > newest {
            FD_UNSUPPORTED
        } else {
            f.kind
        };
        let at = self.begin_entry();
        self.put(&f.fd.to_le_bytes());
        self.put(&f.inode.to_le_bytes());
        self.put(&[kind]);
        match kind {
            0 => {}
            3 | 5 => {
                let mut all = ([0; 4], [0; 4], 0, 0, 0);
                if let SocketEntry::Inet {
                    source,
                    dest,
                    source_port,
                    dest_port,
                    l4proto,
                } = f.socket
                {
                    all = (source, dest, source_port, dest_port, l4proto);
                }
                self.addresses(kind == 5, &all.0, &all.1, all.2, all.3, all.4);
            }
            4 | 6 => {
                let mut all = ([0; 16], [0; 16], 0, 0, 0);
                if let SocketEntry::Inet6 {
                    source,
                    dest,
                    source_port,
                    dest_port,
                    l4proto,
                } = f.socket
                {
                    all = (source, dest, source_port, dest_port, l4proto);
                }
                self.addresses(kind == 6, &all.0, &all.1, all.2, all.3, all.4);
            }
            8 => {
                let (source, dest) = match f.socket {
                    SocketEntry::Unix { source, dest } => (source, dest),
                    _ => (0, 0),
                };
                self.put(&source.to_le_bytes());
                self.put(&dest.to_le_bytes());
                self.str16(name, FD_NAME_BYTES);
            }
            16 => {
                self.put(&f.open_flags.to_le_bytes());
                self.str16(name, FD_NAME_BYTES);
                self.put(&f.dev.to_le_bytes());
            }
            _ => self.str16(name, FD_NAME_BYTES),
        }
        self.end_entry(at, true);
    }

    fn addresses(
        &mut self,
        listening: bool,
        source: &[u8],
        dest: &[u8],
        source_port: u16,
        dest_port: u16,
        l4proto: u8,
    ) {
        self.put(source);
        if !listening {
            self.put(dest);
        }
        self.put(&source_port.to_le_bytes());
        if !listening {
            self.put(&dest_port.to_le_bytes());
        }
        self.put(&[l4proto]);
    }
}
