//! What a script says of itself.

use mlua::{LuaString, Table, Value};

use super::arguments::Argument;
use super::error::ChiselError;
use super::registry::Script;

/// Most arguments that a script can declare.
const MAX_ARGUMENTS: usize = 64;

/// What a script says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// A line about it.
    pub short: String,
    /// A text about it; `None` = it is no chisel for users, but a library or a view.
    pub description: Option<String>,
    /// The group that it is listed in.
    pub category: String,
    /// It is not listed.
    pub hidden: bool,
    /// The arguments it takes; `None` = it cannot be run.
    pub arguments: Option<Vec<Argument>>,
    /// It is a view: a table that needs no code.
    pub is_view: bool,
    /// Its file; `None` = the program carries it.
    pub path: Option<std::path::PathBuf>,
}

impl Info {
    /// Reads the globals that a script has set.
    pub(super) fn read(script: &Script, globals: &Table) -> Result<Self, ChiselError> {
        let text = |name: &str| match globals.raw_get::<Value>(name) {
            Ok(Value::String(text)) => Some(text.to_string_lossy()),
            _ => None,
        };
        let arguments = match globals.raw_get::<Value>("args") {
            Ok(Value::Table(table)) => Some(arguments(script, &table)?),
            _ => None,
        };
        let description = text("description");
        let view = globals.raw_get::<Table>("view_info").ok();
        // A view has a name for people, which says what it shows.
        let named = view
            .as_ref()
            .and_then(|v| v.raw_get::<LuaString>("name").ok());
        let named = named.map(|name| name.to_string_lossy());
        Ok(Self {
            name: script.name.clone(),
            short: text("short_description").or(named).unwrap_or_default(),
            category: text("category").unwrap_or_default(),
            hidden: matches!(globals.raw_get("hidden"), Ok(Value::Boolean(true))),
            is_view: description.is_none() && view.is_some(),
            description,
            arguments,
            path: script.path.clone(),
        })
    }

    /// Whether users are to see it in a list of chisels.
    pub fn is_listed(&self) -> bool {
        self.description.is_some() && self.arguments.is_some() && !self.hidden
    }
}

fn arguments(script: &Script, table: &Table) -> Result<Vec<Argument>, ChiselError> {
    let refused = |reason: String| ChiselError::Refused {
        chisel: script.name.clone(),
        reason,
    };
    let wrong = |what: &str| refused(format!("its `args` are wrong: {what}"));
    let mut arguments = Vec::new();
    for entry in table.sequence_values::<Value>() {
        let Ok(Value::Table(entry)) = entry else {
            return Err(wrong("each is a table"));
        };
        if arguments.len() >= MAX_ARGUMENTS {
            return Err(wrong("there are too many"));
        }
        let mut argument = Argument::default();
        for pair in entry.pairs::<Value, Value>() {
            let Ok((Value::String(name), value)) = pair else {
                return Err(wrong("their members have names"));
            };
            match (&*name.to_string_lossy(), value) {
                ("name", Value::String(text)) => argument.name = text.to_string_lossy(),
                ("argtype", Value::String(text)) => argument.kind = text.to_string_lossy(),
                ("description", Value::String(text)) => {
                    argument.description = text.to_string_lossy();
                }
                ("optional", Value::Boolean(optional)) => argument.optional = optional,
                (_, Value::String(_) | Value::Boolean(_)) => {}
                (name, _) => return Err(wrong(&format!("`{name}` is neither text nor boolean"))),
            }
        }
        arguments.push(argument);
    }
    Ok(arguments)
}
