//! What is known about each field: name, type, argument; and how a name is found.

use scap_capture_format::schema::{self, PrintFormat};

use super::{Context, Field, FieldArg, LookupError, Scratch, Value};

bitflags::bitflags! {
    /// Restrictions on the use of a field.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct FieldFlags: u16 {
        /// Has no text form: only for conditions.
        const FILTER_ONLY = 1;
        /// Has only a text form: not for conditions.
        const PRINT_ONLY = 2;
        /// Meant for the columns of views; usable everywhere.
        const TABLE_ONLY = 4;
        /// Not usable as the right-hand side of a condition.
        const NO_RHS = 8;
        /// Transformers do not apply.
        const NO_TRANSFORMER = 16;
        /// Kept for old filters.
        const DEPRECATED = 32;
        /// Has any number of values.
        const IS_LIST = 64;
        /// Without an argument it means any of several things, of which one has to fulfil a condition.
        const ANY = 128;
        /// Depends on the events that it was asked about before.
        const STATEFUL = 256;
        /// Neither sysdig nor Falco has it.
        const OURS = 512;
    }
}

/// Type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    Text,
    /// A buffer.
    Bytes,
    /// A signed number.
    Int,
    /// An unsigned number.
    Uint,
    /// A truth value.
    Bool,
    /// An interval in nanoseconds.
    Interval,
    /// Nanoseconds since the epoch.
    Time,
    /// A floating point number.
    Double,
    /// An IP address.
    Ip,
    /// An IP address, compared with networks.
    Net,
    /// A port.
    Port,
    /// That of an event's parameter, known only with the event.
    Dynamic,
}

/// Whether a field takes an argument, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgForm {
    /// None.
    None,
    /// It needs a number in brackets.
    Index,
    /// It can have a number in brackets.
    OptIndex,
    /// It needs a name after a dot, or a name or number in brackets.
    Key,
    /// It can have those.
    OptKey,
}

/// How a value is found.
pub(super) type Extract = for<'a> fn(&'a Field, &Context<'a>, &'a mut Scratch) -> Option<Value<'a>>;

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Its name without argument.
    pub name: &'static str,
    /// What it is, in a few words.
    pub description: &'static str,
    /// The type of its value.
    pub ty: FieldType,
    /// How numbers print.
    pub format: PrintFormat,
    /// Its argument.
    pub arg: ArgForm,
    /// Restrictions.
    pub flags: FieldFlags,
    /// Why no capture has it, if so: then it is always absent.
    pub unanswerable: Option<&'static str>,
    pub(super) extract: Extract,
}

impl FieldInfo {
    const fn new(
        name: &'static str,
        description: &'static str,
        ty: FieldType,
        extract: Extract,
    ) -> Self {
        Self {
            name,
            description,
            ty,
            format: PrintFormat::Dec,
            arg: ArgForm::None,
            flags: FieldFlags::empty(),
            unanswerable: None,
            extract,
        }
    }

    /// Returns the class: everything before the last dot that is no part of the name proper.
    pub fn class(&self) -> &'static str {
        CLASSES
            .iter()
            .map(|(class, _)| *class)
            .filter(|class| {
                let rest = self.name.strip_prefix(class);
                rest.is_some_and(|rest| rest.starts_with('.'))
            })
            .max_by_key(|class| class.len())
            .unwrap_or(self.name)
    }

    pub(super) const fn format(mut self, format: PrintFormat) -> Self {
        self.format = format;
        self
    }

    pub(super) const fn arg(mut self, form: ArgForm) -> Self {
        self.arg = form;
        self
    }

    pub(super) const fn flag(mut self, flag: FieldFlags) -> Self {
        self.flags = self.flags.union(flag);
        self
    }

    pub(super) const fn never(mut self, why: &'static str) -> Self {
        self.unanswerable = Some(why);
        self
    }
}

macro_rules! constructors {
    ($($name:ident $ty:ident,)*) => {$(
        pub(super) const fn $name(
            name: &'static str,
            description: &'static str,
            extract: Extract,
        ) -> FieldInfo {
            FieldInfo::new(name, description, FieldType::$ty, extract)
        }
    )*};
}

constructors! {
    text Text,
    bytes Bytes,
    int Int,
    uint Uint,
    boolean Bool,
    interval Interval,
    time Time,
    double Double,
    ip Ip,
    net Net,
    port Port,
    dynamic Dynamic,
}

/// For fields that no capture answers.
pub(super) fn na<'a>(_: &'a Field, _: &Context<'a>, _: &'a mut Scratch) -> Option<Value<'a>> {
    None
}

/// The classes and their fields, in the order in which they are listed.
pub(super) const CLASSES: &[(&str, &[FieldInfo])] = &[
    ("evt", super::evt::FIELDS),
    ("proc", super::process::FIELDS),
    ("thread", super::thread::FIELDS),
    ("user", super::user::USER),
    ("group", super::user::GROUP),
    ("container", super::container::CONTAINER),
    ("k8s", super::container::K8S),
    ("fd", super::fd::FIELDS),
    ("fs.path", super::paths::FIELDS),
    ("fdlist", super::fdlist::FIELDS),
    ("syslog", super::syslog::FIELDS),
    ("util", super::evt::UTIL),
    ("syscall", super::evt::SYSCALL),
    ("span", super::removed::SPAN),
    ("evtin", super::removed::EVTIN),
    ("mesos", super::removed::MESOS),
    ("marathon", super::removed::MARATHON),
];

/// See [`super::plain`].
pub(super) static PLAIN: FieldInfo = text("", "", na);

/// Returns the field with exactly this name.
fn by_name(name: &str) -> Option<&'static FieldInfo> {
    super::all().find(|f| f.name == name)
}

pub(super) fn lookup(text: &str) -> Result<Field, LookupError> {
    let (info, rest) = longest(text).ok_or_else(|| unknown(text))?;
    field(info, rest)
}

/// Finds the longest field name that `text` starts with and that ends there, or before an argument.
fn longest(text: &str) -> Option<(&'static FieldInfo, &str)> {
    let mut end = text.find('[').unwrap_or(text.len());
    loop {
        if let Some(info) = by_name(&text[..end]) {
            return Some((info, &text[end..]));
        }
        end = text[..end].rfind('.')?;
    }
}

fn unknown(text: &str) -> LookupError {
    const ALIKE: f64 = 0.8;
    let name = &text[..text.find('[').unwrap_or(text.len())];
    let mut similar: Vec<(f64, &'static str)> = super::all()
        .map(|f| (strsim::jaro_winkler(f.name, name), f.name))
        .filter(|(alike, _)| *alike > ALIKE)
        .collect();
    similar.sort_by(|a, b| b.0.total_cmp(&a.0));
    LookupError::Unknown {
        name: name.to_owned(),
        similar: similar.into_iter().take(3).map(|(_, name)| name).collect(),
    }
}

fn field(info: &'static FieldInfo, rest: &str) -> Result<Field, LookupError> {
    let invalid = |argument: &str, reason| LookupError::ArgumentInvalid {
        field: info.name,
        argument: argument.to_owned(),
        reason,
    };
    let (argument, bracketed) = if let Some(inner) = rest.strip_prefix('[') {
        let inner = inner
            .strip_suffix(']')
            .ok_or_else(|| invalid(rest, "no closing bracket"))?;
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|q| inner.strip_prefix(*q)?.strip_suffix(*q));
        (Some(unquoted.unwrap_or(inner)), true)
    } else {
        (rest.strip_prefix('.'), false)
    };
    let arg = match (info.arg, argument) {
        (ArgForm::None, None) => FieldArg::None,
        (ArgForm::None, Some(_)) if bracketed => {
            return Err(LookupError::ArgumentUnexpected(info.name));
        }
        // `fd.name.x` is no field with an argument but a wrong name.
        (ArgForm::None, Some(_)) => return Err(unknown(&format!("{}{rest}", info.name))),
        (ArgForm::Index | ArgForm::Key, None) => {
            return Err(LookupError::ArgumentMissing(info.name));
        }
        (ArgForm::OptIndex | ArgForm::OptKey, None) => FieldArg::None,
        (ArgForm::Index | ArgForm::OptIndex, Some(text)) => match text.parse::<u64>() {
            Ok(n) if bracketed => FieldArg::Index(n.cast_signed()),
            _ => return Err(invalid(text, "a number in brackets is expected")),
        },
        (ArgForm::Key | ArgForm::OptKey, Some("")) => {
            return Err(invalid("", "it is empty"));
        }
        (ArgForm::Key | ArgForm::OptKey, Some(text)) => match text.parse::<i64>() {
            Ok(n) if bracketed => FieldArg::Index(n),
            _ => FieldArg::Name(text.into()),
        },
    };
    check(info, &arg)?;
    Ok(Field {
        info,
        arg,
        bracketed,
        memory: std::cell::Cell::new(0),
        memories: std::cell::RefCell::default(),
    })
}

/// Refuses arguments that can never mean anything.
fn check(info: &'static FieldInfo, arg: &FieldArg) -> Result<(), LookupError> {
    let FieldArg::Name(name) = arg else {
        return Ok(());
    };
    let refuse = |reason| {
        Err(LookupError::ArgumentInvalid {
            field: info.name,
            argument: name.to_string(),
            reason,
        })
    };
    match info.name {
        "evt.arg" | "evt.rawarg" if !is_param(name) => {
            refuse("no event has a parameter of that name")
        }
        "evt.abspath" if !matches!(&**name, "src" | "dst") => refuse("it is `src` or `dst`"),
        "evt.type.is"
            if name.parse::<u16>().is_err() && schema::events_by_name(name).next().is_none() =>
        {
            refuse("no event has that name or number")
        }
        _ => Ok(()),
    }
}

/// Whether any event has a parameter, or any syscall an argument, of this name.
fn is_param(name: &str) -> bool {
    schema::EVENTS
        .iter()
        .any(|e| e.params.iter().any(|p| p.name == name))
        || schema::syscall::all().any(|s| s.args.iter().any(|a| a.name == name))
}

pub(super) fn lookup_prefix(text: &str) -> Result<(Field, usize), LookupError> {
    let word = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        .unwrap_or(text.len());
    let mut first = None;
    let mut end = word;
    if text[word..].starts_with('[')
        && let Some(close) = text[word..].find(']')
    {
        match lookup(&text[..=word + close]) {
            Ok(field) => return Ok((field, word + close + 1)),
            Err(error) => first = Some(error),
        }
    }
    // A name ends at the latest where the word does; a full stop after it belongs to the sentence.
    while end > 0 {
        match lookup(&text[..end]) {
            Ok(field) => return Ok((field, end)),
            Err(error) => {
                let needs_argument = matches!(error, LookupError::ArgumentMissing(_));
                if first.is_none() || needs_argument {
                    first = Some(error);
                }
            }
        }
        end -= text[..end].chars().next_back().map_or(1, char::len_utf8);
    }
    Err(first.unwrap_or_else(|| unknown(&text[..word])))
}
