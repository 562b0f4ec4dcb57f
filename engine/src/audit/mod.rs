//! Kubernetes audit events: their JSON, and the streams in which it comes.
//!
//! An audit event is an event of the schema's plugin type, as Falco's plugin `k8saudit` makes it: its parameters are
//! the plugin's id and the JSON of one `audit.k8s.io` Event, its time is the event's `stageTimestamp`, and it belongs
//! to no thread. So it is stored, merged and filtered like any event. [`json`] looks into it, [`frames`] splits streams
//! into JSON texts, [`event`] finds the events in a text, [`uri`] reads the request's path, [`sessions`] joins requests to processes, and [`summary`] makes a
//! line of it. The source that sorts the events of log files is `replay::audit`; the fields are in `fields::audit`.

pub mod event;
pub mod frames;
pub mod json;
pub mod limits;
pub mod sessions;
pub mod summary;
pub mod uri;

use scap_capture_format::event::Timestamp;
use scap_capture_format::schema::types;

use crate::event::{Event, EventExt as _};
use json::{Document, Json};

/// The event source, as rules name it.
pub const SOURCE: &str = "k8s_audit";

/// The plugins whose fields there are, with the versions of their definitions, as rule files require them.
pub const PLUGINS: &[(&str, &str)] = &[("k8saudit", "0.18.0"), ("json", "0.7.4")];

/// The plugin that audit events are from.
pub const PLUGIN: &str = "k8saudit";

/// Its id.
pub const PLUGIN_ID: u32 = 1;

/// Returns the JSON of an event of any plugin.
pub fn plugin_data<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    if event.ty != types::PLUGINEVENT_E {
        return None;
    }
    event.params.get(1)
}

/// Whether an event is a Kubernetes audit event.
pub fn is_audit(event: &Event<'_>) -> bool {
    event.ty == types::PLUGINEVENT_E && event.uint(0) == Some(u64::from(PLUGIN_ID))
}

/// The document of the latest event that was looked into, so that it is parsed once for all fields.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    event: Option<Identity>,
    document: Document,
}

/// What tells the events of one pass apart: number and time, and where its text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    num: u64,
    ts: Timestamp,
    address: usize,
    len: usize,
}

impl Latest {
    /// Returns the document of an event with this text; `None` if that is not JSON.
    pub fn of<'d, 't>(&'d mut self, event: &Event<'_>, text: &'t [u8]) -> Option<Json<'d, 't>> {
        let identity = Identity {
            num: event.num.0,
            ts: event.ts,
            address: text.as_ptr().addr(),
            len: text.len(),
        };
        if self.event != Some(identity) {
            self.event = Some(identity);
            // An invalid text leaves the document empty.
            let _invalid = self.document.parse(text);
        }
        self.document.root(text)
    }
}
