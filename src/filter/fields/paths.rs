//! Fields of the class paths.

use super::info::{FieldInfo, na, text};

pub(super) const FIELDS: &[FieldInfo] = &[
    text("fs.path.name", "path operated on, absolute", na),
    text("fs.path.nameraw", "path operated on, as given", na),
    text(
        "fs.path.source",
        "source path of two-path calls, absolute",
        na,
    ),
    text("fs.path.sourceraw", "source path as given", na),
    text("fs.path.target", "target path, absolute", na),
    text("fs.path.targetraw", "target path as given", na),
];
