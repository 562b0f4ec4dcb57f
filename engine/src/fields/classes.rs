//! The classes of fields.

use super::attributes::Subject;
use super::info::FieldInfo;

/// A class of fields: fields with a common prefix.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// The prefix.
    pub name: &'static str,
    /// Its heading in the detail pane; `None` = not shown.
    pub subject: Option<Subject>,
    /// The fields.
    pub fields: &'static [FieldInfo],
}

const fn class(
    name: &'static str,
    subject: Option<Subject>,
    fields: &'static [FieldInfo],
) -> Class {
    Class {
        name,
        subject,
        fields,
    }
}

/// The classes, in the order in which they are listed.
pub const CLASSES: &[Class] = &[
    class("evt", Some(Subject::Event), super::evt::FIELDS),
    class("proc", Some(Subject::Process), super::process::FIELDS),
    class("thread", Some(Subject::Process), super::thread::FIELDS),
    class("user", Some(Subject::User), super::user::USER),
    class("group", Some(Subject::User), super::user::GROUP),
    class(
        "container",
        Some(Subject::Container),
        super::container::FIELDS,
    ),
    class("k8s", Some(Subject::Container), super::k8s::FIELDS),
    class("fd", Some(Subject::Fd), super::fd::FIELDS),
    class("fs.path", Some(Subject::Fd), super::paths::FIELDS),
    class("audit", Some(Subject::Request), super::audit::AUDIT),
    class("ka", Some(Subject::Request), super::audit::KA),
    class("json", Some(Subject::Request), super::audit::JSON),
    class("jevt", Some(Subject::Request), super::audit::JEVT),
    class("alert", Some(Subject::Event), super::alert::FIELDS),
    class("fdlist", None, super::fdlist::FIELDS),
    class("syslog", None, super::syslog::FIELDS),
    class("util", None, super::evt::UTIL),
    class("syscall", None, super::evt::SYSCALL),
    class("span", None, super::removed::SPAN),
    class("evtin", None, super::removed::EVTIN),
    class("mesos", None, super::removed::MESOS),
    class("marathon", None, super::removed::MARATHON),
];

/// Returns the class of a field by its name: the longest matching prefix.
pub(super) fn of(name: &str) -> Option<&'static str> {
    CLASSES
        .iter()
        .map(|class| class.name)
        .filter(|class| {
            let rest = name.strip_prefix(class);
            rest.is_some_and(|rest| rest.starts_with('.'))
        })
        .max_by_key(|class| class.len())
}

/// Iterates over all fields, by class.
pub fn all() -> impl Iterator<Item = &'static FieldInfo> {
    CLASSES.iter().flat_map(|class| class.fields)
}
