//! What of a capture passes through a redaction.

use std::borrow::Cow;

use scap_capture_format::event::{EventFlags, Params};
use scap_capture_format::limits::EVENT_BYTES;
use scap_capture_format::native::{
    ContainerDescription, Header, LossReport, Origin, OriginId, Snapshot,
};
use scap_capture_format::schema::types;

use super::super::edit::Edit;
use super::json::Document;
use super::values::{kind_of, lossy};
use super::{Class, Kind, Redaction, secrets};
use crate::event::net::Endpoint;
use crate::event::{Event, EventExt as _, alert};
use crate::replay::OriginState;
use crate::state::{Rewrite, TextKind, rewrite};

impl Rewrite for Redaction {
    fn text(&mut self, kind: TextKind, text: &[u8]) -> Vec<u8> {
        match kind {
            TextKind::ContainerJson => self.document(Document::Container, text),
            kind => Self::text(self, kind_of(kind), text),
        }
    }

    fn arguments(&mut self, exe: &[u8], args: &[u8]) -> Vec<u8> {
        Self::arguments(self, exe, args)
    }

    fn endpoint(&mut self, end: Endpoint) -> Endpoint {
        Self::endpoint(self, end)
    }

    fn address(&mut self, address: &mut [u8], is_mask: bool) {
        if !is_mask {
            self.octets(address);
        }
    }
}

impl Edit for Redaction {
    fn header(&mut self, header: &mut Header, origins: &mut [Origin]) {
        header.extra.clear();
        self.machine(&mut header.machine);
        for (number, origin) in (1..).zip(origins) {
            // Names of files are often those of machines.
            origin.name = format!("recording {number}");
            origin.extra.clear();
            self.machine(&mut origin.machine);
        }
        header.writer = lossy(&self.text(Kind::Text, header.writer.as_bytes()));
        for (name, value) in &mut header.options {
            // What readers interpret stays; a filter can name anything.
            *value = match &**name {
                "event-model" => value.clone(),
                _ if self.is_strict() && !value.is_empty() => lossy(secrets::REDACTED),
                _ => lossy(&self.text(Kind::Text, value.as_bytes())),
            };
            *name = lossy(&self.text(Kind::Text, name.as_bytes()));
        }
    }

    fn snapshot(&mut self, _: OriginId, origin: &mut OriginState) -> Snapshot {
        if self.hashes(Class::USERS) {
            for (_, _, user) in origin.state.users() {
                self.add_word(&user.name);
            }
        }
        let mut snapshot = origin.state.snapshot();
        if self.hashes(Class::USERS) {
            for group in &snapshot.groups {
                self.add_word(snapshot.strings.get(group.name));
            }
        }
        rewrite(&mut snapshot, self);
        snapshot
    }

    fn event<'a>(&'a mut self, event: &Event<'a>) -> Event<'a> {
        let mut lens = std::mem::take(&mut self.lens);
        let mut bytes = std::mem::take(&mut self.bytes);
        lens.clear();
        bytes.clear();
        let mut flags = event.flags;
        let info = event.info();
        let is_async = event.ty == types::ASYNCEVENT_E;
        let is_alert = alert::is_alert(event);
        for index in 0..event.params.lens().len() {
            let old = event.params.get(index).unwrap_or_default();
            let param = info.and_then(|info| Some((info, info.params.get(index)?)));
            let new = match param {
                _ if old.is_empty() => Vec::new(),
                Some((_, param)) if is_async && param.name == "data" => {
                    self.async_data(event.text(1).unwrap_or_default(), old)
                }
                Some((_, param)) if is_alert && param.name == "desc" => self.alert(old),
                Some((info, param)) if matches!(param.name, "args" | "argv") => {
                    let exe = info.params.iter().position(|param| param.name == "exe");
                    let exe = exe.and_then(|exe| event.text(exe)).unwrap_or_default();
                    self.arguments(exe, old)
                }
                Some((info, param)) => self.param(info, param, old),
                None => self.left_out("parameter that is not in the schema"),
            };
            // Pseudonyms are longer than short names.
            let new = match bytes.len() + new.len() <= EVENT_BYTES {
                true => new,
                false => self.left_out("value that became too long"),
            };
            if new.is_empty() && !old.is_empty() {
                let is_env = param.is_some_and(|(_, param)| param.name == "env");
                flags |= match is_env {
                    true => EventFlags::CUT_ENV,
                    false => EventFlags::TRUNCATED,
                };
            }
            lens.push(u32::try_from(new.len()).unwrap_or(0));
            bytes.extend_from_slice(&new);
        }
        (self.lens, self.bytes) = (lens, bytes);
        Event {
            flags,
            params: Params::new(&self.lens, &self.bytes).unwrap_or(Params::EMPTY),
            ..*event
        }
    }

    /// Fingerprints of names could be compared with those of names that are tried out.
    fn renames(&self) -> bool {
        true
    }

    fn container_id<'a>(&mut self, id: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Owned(self.text(Kind::Container, id))
    }

    fn containers(&mut self, descriptions: &mut Vec<ContainerDescription>) {
        for description in descriptions {
            description.id = self.text(Kind::Container, &description.id);
            description.json = self.document(Document::Container, &description.json);
        }
    }

    fn loss(&mut self, report: &mut LossReport) {
        let origin = OriginId::of(&report.extra);
        report.extra.clear();
        origin.note(&mut report.extra);
    }
}
