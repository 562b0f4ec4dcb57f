//! Fields of the class user.

use super::info::{FieldInfo, int, na, text, uint};

pub(super) const USER: &[FieldInfo] = &[
    text("user.homedir", "home directory", na),
    text("user.loginname", "name of audit uid", na),
    int("user.loginuid", "audit uid, -1 if unset", na),
    text("user.name", "user name or <NA>", na),
    text("user.shell", "login shell", na),
    uint("user.uid", "uid of the thread", na),
];

pub(super) const GROUP: &[FieldInfo] = &[
    uint("group.gid", "gid of the thread", na),
    text("group.name", "group name or <NA>", na),
];
