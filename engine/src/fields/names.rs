//! The names of an event that the summary of its chunk has fingerprints of, as the fields with the role
//! [`Role::Name`](super::attributes::Role::Name) have them.

use scap_capture_format::native::{EventNames, Names, Objects};

use super::{fd, paths, process};
use crate::event::Event;
use crate::state::{FdKind, View};

/// Space for names that the state does not have as they are.
#[derive(Debug, Default)]
pub struct NameScratch([Vec<u8>; 4]);

/// Returns the names of an event.
#[inline]
pub fn names<'a>(
    event: &Event<'_>,
    view: &View<'a>,
    scratch: &'a mut NameScratch,
) -> EventNames<'a> {
    match view.thread() {
        Some(thread) if thread.comm.is_some() => EventNames {
            thread: Names::Some([
                Some(process::comm(thread)),
                Some(process::exepath_of(thread)),
                thread.container_or_host(),
            ]),
            objects: objects(event, view, scratch),
        },
        None if event.tid.0 <= 0 => EventNames {
            thread: Names::None,
            objects: objects(event, view, scratch),
        },
        _ => EventNames::UNKNOWN,
    }
}

/// Returns what an event is about.
fn objects<'a>(event: &Event<'_>, view: &View<'a>, scratch: &'a mut NameScratch) -> Objects<'a> {
    let [of_fd, one, source, target] = &mut scratch.0;
    let mut paths = [None; 3];
    let (mut addresses, mut server_port) = ([None; 2], None);
    if let Some(info) = view.fd_info() {
        // Other names, such as those of connections, are no paths.
        if matches!(info.kind, FdKind::File | FdKind::Directory) || info.name.starts_with(b"/") {
            paths[0] = Some(&*info.name);
        }
        (addresses, server_port) = fd::addresses_of(info);
    } else {
        paths[0] = fd::name_of(event, view, of_fd).filter(|name| name.starts_with(b"/"));
    }
    if paths::has_path(event.ty) {
        paths[1] = paths::name_of(view, one).or_else(|| paths::source_of(view, source));
        paths[2] = paths::target_of(view, target);
    }
    Objects::Known {
        paths,
        addresses,
        server_port,
    }
}
