//! What the kernel knows of a socket: family, addresses of both ends, and unix paths.

use scap_probe_common::wire::{SocketFacts, tag};

use crate::{
    family::file_of,
    global::{GO_ON, STOP},
    globals::offset,
    read::{at, field},
    ring::Record,
};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;
/// Family and path of a `sockaddr_un`.
const UNIX_ADDRESS: u32 = 110;

/// The kernel's socket behind an open file.
#[inline(always)]
fn sock_of(file: u64) -> Option<u64> {
    let inode: u64 = field!(file, file_inode)?;
    let mode: u16 = field!(inode, inode_mode)?;
    if mode & S_IFMT != S_IFSOCK {
        return None;
    }
    let socket: u64 = field!(file, file_private)?;
    let sk: u64 = field!(socket, socket_sk)?;
    if sk == 0 { None } else { Some(sk) }
}

/// Appends the facts of the socket behind a descriptor, if it is one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn socket_facts(arg: u64, fd: u64) -> u64 {
    let Some(record) = Record::resume() else {
        return STOP;
    };
    if let Some(file) = file_of(fd) {
        facts_of_file(&record, arg as u8, file);
    }
    GO_ON
}

/// Appends the facts of the socket behind an open file; returns whether it is one.
#[inline(always)]
pub fn facts_of_file(record: &Record, arg: u8, file: u64) -> bool {
    let Some(sk) = sock_of(file) else {
        return false;
    };
    let Some(family) = field!(sk, sock_family) else {
        return true;
    };
    let family: u16 = family;
    let peer: u64 = if family == AF_UNIX {
        field!(sk, unix_peer).unwrap_or(0)
    } else {
        0
    };
    let Some((place, facts)) = record.room::<SocketFacts>() else {
        return true;
    };
    // SAFETY: `facts` is room for the structure in the ring.
    unsafe {
        (*facts).sk = sk;
        (*facts).peer = peer;
        (*facts).family = family;
        (*facts).kind = field!(sk, sock_type).unwrap_or(0);
        (*facts).protocol = field!(sk, sock_protocol).unwrap_or(0);
        (*facts).state = state(sk) as u16;
        (*facts).backlog = field!(sk, sock_backlog).unwrap_or(0);
        (*facts).backlog_max = field!(sk, sock_backlog_max).unwrap_or(0);
        (*facts).reserved = 0;
        let mut local = [0u8; 16];
        let mut remote = [0u8; 16];
        let (mut local_port, mut remote_port) = (0u16, 0u16);
        if family == AF_INET || family == AF_INET6 {
            local_port = field!(sk, sock_num).unwrap_or(0);
            let dport: u16 = field!(sk, sock_dport).unwrap_or(0);
            remote_port = dport.swap_bytes();
        }
        if family == AF_INET {
            let mut source: u32 = field!(sk, sock_saddr).unwrap_or(0);
            if source == 0 {
                source = field!(sk, inet_saddr).unwrap_or(0);
            }
            let dest: u32 = field!(sk, sock_daddr).unwrap_or(0);
            local[..4].copy_from_slice(&source.to_ne_bytes());
            remote[..4].copy_from_slice(&dest.to_ne_bytes());
        } else if family == AF_INET6 {
            local = field!(sk, sock_saddr6).unwrap_or([0; 16]);
            remote = field!(sk, sock_daddr6).unwrap_or([0; 16]);
        }
        (*facts).local_port = local_port;
        (*facts).remote_port = remote_port;
        (*facts).local = local;
        (*facts).remote = remote;
    }
    record.filled::<SocketFacts>(place, tag::SOCKET, arg);
    if family == AF_UNIX {
        unix_path(record, tag::UNIX_LOCAL, arg, sk);
        if peer != 0 {
            unix_path(record, tag::UNIX_PEER, arg, peer);
        }
    }
    true
}

/// `skc_state` is one byte wide.
#[inline(always)]
fn state(sk: u64) -> u8 {
    field!(sk, sock_state).unwrap_or(0)
}

/// Appends the address that a unix socket is bound to.
#[inline(always)]
fn unix_path(record: &Record, tag: u8, arg: u8, sk: u64) {
    let Some(address) = field!(sk, unix_addr) else {
        return;
    };
    let address: u64 = address;
    let Some(len) = field!(address, unix_address_len) else {
        return;
    };
    let len: u32 = len;
    if let Some(name) = at(address, offset!(unix_address_name)) {
        record.kernel(tag, arg, name, len as u64, UNIX_ADDRESS);
    }
}
