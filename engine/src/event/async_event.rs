//! Names of asynchronous events (type 402), which recorders write for anything other than calls.

/// A container was described; the data is JSON.
pub const CONTAINER: &[u8] = b"container";
/// A process was moved to other cgroups; the data is their list, as in `clone` events. Named after the cgroup file that
/// moves processes; scap's own.
pub const CGROUP_PROCS: &[u8] = b"cgroup.procs";
/// A thread was moved to other cgroups; scap's own.
pub const CGROUP_THREADS: &[u8] = b"cgroup.threads";
/// A thread was given another name by other means than its own calls; the data is the name. scap's own.
pub const COMM: &[u8] = b"comm";
/// What an fd is that no event of a call describes: received by message, made by io_uring or an ioctl. The data is an
/// [`OpenFd`]; scap's own.
pub const FD: &[u8] = b"fd";
/// Working and root directory and mount namespace of a thread after a call that changed one of them. The data is
/// [`Directories`]; scap's own.
pub const DIRECTORIES: &[u8] = b"directories";
/// An argument in memory of the thread's last call, as it was when the call returned: another thread changed it
/// meanwhile. The data is the argument's name, `=` and the text. scap's own.
pub const ARGUMENT: &[u8] = b"argument";

/// The data of an [`FD`] event. Encoded little-endian in this order; the texts have their lengths before them in 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFd<'a> {
    /// The number.
    pub fd: i64,
    /// The kind, numbered as in snapshots; 0 = nothing is open at the number.
    pub kind: u8,
    /// Whether `execve` closes it.
    pub cloexec: bool,
    /// A socket that accepts connections.
    pub is_listening: bool,
    /// Transport protocol of a socket, numbered as in snapshots.
    pub l4: u8,
    /// Open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device of a file, in the encoding of user space.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Name as in `/proc`; empty for a socket.
    pub name: &'a [u8],
    /// Own end and peer of a socket, as a parameter of type SOCKTUPLE; empty if there are none.
    pub tuple: &'a [u8],
}

impl<'a> OpenFd<'a> {
    /// Appends the data.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.fd.to_le_bytes());
        let bits = u8::from(self.cloexec) | u8::from(self.is_listening) << 1;
        out.extend_from_slice(&[self.kind, bits, self.l4, 0]);
        out.extend_from_slice(&self.open_flags.to_le_bytes());
        out.extend_from_slice(&self.dev.to_le_bytes());
        out.extend_from_slice(&self.ino.to_le_bytes());
        for text in [self.name, self.tuple] {
            write_text(text, out);
        }
    }

    /// Reads the data; `None` if it is malformed.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fd, rest) = bytes.split_first_chunk()?;
        let ([kind, bits, l4, _], rest) = rest.split_first_chunk()?;
        let (open_flags, rest) = rest.split_first_chunk()?;
        let (dev, rest) = rest.split_first_chunk()?;
        let (ino, rest) = rest.split_first_chunk()?;
        let (name, rest) = read_text(rest)?;
        let (tuple, _) = read_text(rest)?;
        Some(Self {
            fd: i64::from_le_bytes(*fd),
            kind: *kind,
            cloexec: bits & 1 != 0,
            is_listening: bits & 2 != 0,
            l4: *l4,
            open_flags: u32::from_le_bytes(*open_flags),
            dev: u32::from_le_bytes(*dev),
            ino: u64::from_le_bytes(*ino),
            name,
            tuple,
        })
    }
}

/// The data of a [`DIRECTORIES`] event. Encoded in this order, as [`OpenFd`] is; the namespace has 32 bits, 0 = not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directories<'a> {
    /// Inode number of the mount namespace, which the paths are of.
    pub mount_ns: Option<u32>,
    /// Root directory; empty if it is not known.
    pub root: &'a [u8],
    /// Working directory; empty if it is not known.
    pub cwd: &'a [u8],
}

impl<'a> Directories<'a> {
    /// Appends the data.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mount_ns.unwrap_or(0).to_le_bytes());
        write_text(self.root, out);
        write_text(self.cwd, out);
    }

    /// Reads the data; `None` if it is malformed.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (mount_ns, rest) = bytes.split_first_chunk()?;
        let (root, rest) = read_text(rest)?;
        let (cwd, _) = read_text(rest)?;
        Some(Self {
            mount_ns: Some(u32::from_le_bytes(*mount_ns)).filter(|number| *number != 0),
            root,
            cwd,
        })
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text);
}

/// Splits a text and its length off.
fn read_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}
