//! Fields of the class fdlist.

use super::info::{FieldInfo, na, text};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("fdlist.cips", "poll: client IPs", na),
    text("fdlist.cports", "poll: client ports", na),
    text("fdlist.names", "poll: fd names, comma list", na),
    text("fdlist.nums", "poll: fd numbers, comma list", na),
    text("fdlist.sips", "poll: server IPs", na),
    text("fdlist.sports", "poll: server ports", na),
];
