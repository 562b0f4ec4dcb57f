//! The metadata of a script.

use mlua::{LuaString, Table, Value};

use super::arguments::Argument;
use super::error::ChiselError;
use super::registry::Script;

/// Limit of the arguments that a script can declare.
const MAX_ARGUMENTS: usize = 64;

/// The metadata of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// A one-line description.
    pub short: String,
    /// A description; `None` = not a chisel, but a library or a view.
    pub description: Option<String>,
    /// The group in the list.
    pub category: String,
    /// True if it is not listed.
    pub hidden: bool,
    /// The arguments; `None` = it cannot be run.
    pub arguments: Option<Vec<Argument>>,
    /// True for a view: a table without code.
    pub is_view: bool,
    /// Its file; `None` = built in.
    pub path: Option<std::path::PathBuf>,
}

impl Info {
    /// Reads the globals of a script.
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
        // The name of a view is a title that describes it.
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

    /// Returns true if it is listed for users.
    pub fn is_listed(&self) -> bool {
        self.description.is_some() && self.arguments.is_some() && !self.hidden
    }
}

fn arguments(script: &Script, table: &Table) -> Result<Vec<Argument>, ChiselError> {
    let refused = |reason: String| ChiselError::Refused {
        chisel: script.name.clone(),
        reason,
    };
    let wrong = |what: &str| refused(format!("invalid `args`: {what}"));
    let mut arguments = Vec::new();
    for entry in table.sequence_values::<Value>() {
        let Ok(Value::Table(entry)) = entry else {
            return Err(wrong("every argument has to be a table"));
        };
        if arguments.len() >= MAX_ARGUMENTS {
            return Err(wrong("too many arguments"));
        }
        let mut argument = Argument::default();
        for pair in entry.pairs::<Value, Value>() {
            let Ok((Value::String(name), value)) = pair else {
                return Err(wrong("the members of an argument need names"));
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
