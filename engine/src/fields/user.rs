//! Fields of the user and group that the event's thread runs as.

use scap_capture_format::schema::PrintFormat;

use super::attributes::Narrow;
use super::info::{FieldInfo, int, text, uint};
use super::{Context, Field, Scratch, Value};
pub(super) const USER: &[FieldInfo] = &[
    text("user.homedir", "home directory", homedir).of_thread(),
    text("user.loginname", "name of audit uid", loginname)
        .of_thread()
        .narrow(Narrow::OrNumber("user.loginuid")),
    int(
        "user.loginuid",
        "audit uid, as the machine counts; -1 if unset",
        loginuid,
    )
    .format(PrintFormat::Id)
    .of_thread(),
    text("user.name", "user name or <NA>", user_name)
        .of_thread()
        .narrow(Narrow::OrNumber("user.uid")),
    text("user.shell", "login shell", shell).of_thread(),
    uint(
        "user.uid",
        "effective uid of the thread, as the machine counts, also in a user namespace",
        uid,
    )
    .format(PrintFormat::Id)
    .of_thread(),
];

pub(super) const GROUP: &[FieldInfo] = &[
    uint(
        "group.gid",
        "effective gid of the thread, as the machine counts, also in a user namespace",
        gid,
    )
    .format(PrintFormat::Id)
    .of_thread(),
    text("group.name", "group name or <NA>", group_name).of_thread(),
];

/// Shown for an unknown user.
const UNKNOWN: &[u8] = b"<NA>";
/// The login uid of processes outside of login sessions.
const NO_LOGIN: u32 = u32::MAX;

extract! {
    uid = |_, cx, _| Some(Value::Uint(u64::from(cx.view.thread()?.uid)));
    user_name = |_, cx, _| {
        let uid = cx.view.thread()?.uid;
        Some(Value::Text(cx.view.user_name(uid).unwrap_or(UNKNOWN)))
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
        // Login sessions are on the host.
        let user = cx.view.state().user(None, id);
        let name = user.map(|u| u.name.as_ref());
        let root = (id == 0).then_some(&b"root"[..]);
        Some(Value::Text(name.or(root).unwrap_or(UNKNOWN)))
    };
    gid = |_, cx, _| Some(Value::Uint(u64::from(cx.view.thread()?.gid)));
    group_name = |_, cx, _| {
        let gid = cx.view.thread()?.gid;
        Some(Value::Text(cx.view.group_name(gid).unwrap_or(UNKNOWN)))
    };
}
