//! Fields of the user and group that the event's thread runs as.

use super::info::{FieldInfo, int, text, uint};
use super::{Context, Field, Scratch, Value};
use crate::state::User;

pub(super) const USER: &[FieldInfo] = &[
    text("user.homedir", "home directory", homedir),
    text("user.loginname", "name of audit uid", loginname),
    int("user.loginuid", "audit uid, -1 if unset", loginuid),
    text("user.name", "user name or <NA>", user_name),
    text("user.shell", "login shell", shell),
    uint("user.uid", "uid of the thread", uid),
];

pub(super) const GROUP: &[FieldInfo] = &[
    uint("group.gid", "gid of the thread", gid),
    text("group.name", "group name or <NA>", group_name),
];

/// What is shown for a user that is not known.
const UNKNOWN: &[u8] = b"<NA>";
/// Nobody logged in.
const NO_LOGIN: u32 = u32::MAX;

/// The name of a user; `root` needs no table.
fn name_of<'a>(user: Option<&'a User>, id: u32) -> &'a [u8] {
    match user {
        Some(user) => &user.name,
        None if id == 0 => b"root",
        None => UNKNOWN,
    }
}

extract! {
    uid = |_, cx, _| Some(Value::Uint(u64::from(cx.view.thread()?.uid)));
    user_name = |_, cx, _| {
        let uid = cx.view.thread()?.uid;
        Some(Value::Text(name_of(cx.view.user_info(uid), uid)))
    };
    homedir = |_, cx, _| {
        let user = cx.view.user_info(cx.view.thread()?.uid);
        Some(Value::Text(user.map_or(UNKNOWN, |u| &u.home)))
    };
    shell = |_, cx, _| {
        let user = cx.view.user_info(cx.view.thread()?.uid);
        Some(Value::Text(user.map_or(UNKNOWN, |u| &u.shell)))
    };
    loginuid = |_, cx, _| {
        let id = cx.view.thread()?.loginuid;
        Some(Value::Int(if id == NO_LOGIN { -1 } else { i64::from(id) }))
    };
    loginname = |_, cx, _| {
        let id = cx.view.thread()?.loginuid;
        // Whoever logged in did so on the host.
        let user = cx.view.state().user(None, id);
        Some(Value::Text(name_of(user, id)))
    };
    gid = |_, cx, _| Some(Value::Uint(u64::from(cx.view.thread()?.gid)));
    group_name = |_, cx, _| {
        let gid = cx.view.thread()?.gid;
        Some(Value::Text(name_of(cx.view.group_info(gid), gid)))
    };
}
