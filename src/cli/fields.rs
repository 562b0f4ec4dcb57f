//! `scap fields` and `docs/fields.md`.

use std::fmt::Write as _;

use serde::Serialize;

use super::error::{CliError, Outcome};
use super::output::Output;
use crate::fields::attributes::{Needs, Unit};
use crate::fields::{self, ArgForm, FieldFlags, FieldInfo, FieldType};

/// Arguments of `scap fields`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this class, or only fields whose name starts with this
    #[arg(value_name = "CLASS")]
    class: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let wanted = |field: &&FieldInfo| {
        args.class
            .as_deref()
            .is_none_or(|class| field.name.starts_with(class))
    };
    let found: Vec<&FieldInfo> = fields::all().filter(wanted).collect();
    if found.is_empty() {
        let class = args.class.as_deref().unwrap_or_default();
        return Err(CliError::usage(format!("no field begins with `{class}`"))
            .hint(format!("the classes are {}", classes().join(", "))));
    }
    let mut output = Output::new();
    if args.json {
        let list: Vec<Entry> = found.iter().map(|f| Entry::new(f)).collect();
        let json = serde_json::to_string_pretty(&list)
            .map_err(|e| CliError::failed(format!("cannot write JSON: {e}")))?;
        output.buffer().extend_from_slice(json.as_bytes());
        output.buffer().push(b'\n');
    } else {
        text(&found, output.buffer());
    }
    output.finish()?;
    Ok(Outcome::Done)
}

fn classes() -> Vec<&'static str> {
    let mut classes: Vec<&str> = fields::all().map(FieldInfo::class).collect();
    classes.dedup();
    classes
}

/// A field in JSON.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    class: &'static str,
    #[serde(rename = "type")]
    ty: &'static str,
    argument: &'static str,
    description: &'static str,
    flags: Vec<&'static str>,
    /// What the field needs besides the event and the state around it.
    needs: Vec<&'static str>,
    unit: Option<&'static str>,
    never: Option<&'static str>,
}

impl Entry {
    fn new(field: &FieldInfo) -> Self {
        Self {
            name: field.name,
            class: field.class(),
            ty: ty(field.ty),
            argument: match field.arg {
                ArgForm::None => "none",
                ArgForm::Index | ArgForm::Key => "required",
                ArgForm::OptIndex | ArgForm::OptKey => "optional",
            },
            description: field.description,
            flags: flags(field),
            needs: needs(field),
            unit: unit(field.attributes.unit),
            never: field.unanswerable,
        }
    }
}

fn ty(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Text => "text",
        FieldType::Bytes => "bytes",
        FieldType::Int => "integer",
        FieldType::Uint => "unsigned",
        FieldType::Bool => "truth",
        FieldType::Interval => "interval",
        FieldType::Time => "time",
        FieldType::Double => "number",
        FieldType::Ip => "address",
        FieldType::Net => "network",
        FieldType::Port => "port",
        FieldType::Dynamic => "any",
    }
}

fn flags(field: &FieldInfo) -> Vec<&'static str> {
    let names = [
        (FieldFlags::FILTER_ONLY, "filter only"),
        (FieldFlags::PRINT_ONLY, "print only"),
        (FieldFlags::IS_LIST, "list"),
        (FieldFlags::ANY, "any ancestor"),
        (FieldFlags::OURS, "scap only"),
        (FieldFlags::DEPRECATED, "deprecated"),
    ];
    let has = |(flag, _): &(FieldFlags, _)| field.flags.contains(*flag);
    names
        .into_iter()
        .filter(has)
        .map(|(_, name)| name)
        .collect()
}

fn needs(field: &FieldInfo) -> Vec<&'static str> {
    let names = [
        (Needs::HISTORY | Needs::ALL_EVENTS, "all events"),
        (Needs::PAYLOAD, "payload"),
        (Needs::RUNTIME, "container runtime"),
        (Needs::SESSIONS, "sessions"),
    ];
    let has = |(needs, _): &(Needs, _)| {
        field.unanswerable.is_none() && field.attributes.needs.intersects(*needs)
    };
    names
        .into_iter()
        .filter(has)
        .map(|(_, name)| name)
        .collect()
}

fn unit(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::None => None,
        Unit::Nanoseconds => Some("nanoseconds"),
        Unit::Seconds => Some("seconds"),
        Unit::NanosecondPart => Some("nanoseconds after the full second"),
        Unit::Bytes => Some("bytes"),
        Unit::Kibibytes => Some("KiB"),
    }
}

/// Returns the remarks on a field: its flags and the cost of conditions on it.
fn notes(field: &FieldInfo) -> Vec<String> {
    let flags = flags(field).into_iter().map(str::to_owned);
    let needs = needs(field).into_iter().map(|what| format!("needs {what}"));
    flags.chain(needs).collect()
}

fn argument(field: &FieldInfo) -> &'static str {
    match field.arg {
        ArgForm::None => "",
        ArgForm::Index => "[N]",
        ArgForm::OptIndex => "[[N]]",
        ArgForm::Key => ".KEY",
        ArgForm::OptKey => "[.KEY]",
    }
}

fn text(found: &[&FieldInfo], out: &mut Vec<u8>) {
    const NAME: usize = 38;
    let mut class = "";
    for field in found {
        if field.class() != class {
            if !class.is_empty() {
                out.push(b'\n');
            }
            class = field.class();
        }
        let name = format!("{}{}", field.name, argument(field));
        let mut notes = notes(field);
        notes.extend(field.unanswerable.map(str::to_owned));
        let notes = match notes.is_empty() {
            true => String::new(),
            false => format!(" ({})", notes.join("; ")),
        };
        let line = format!(
            "{name:<NAME$} {:<9} {}{notes}\n",
            ty(field.ty),
            field.description
        );
        out.extend_from_slice(line.as_bytes());
    }
}

/// Returns the text of `docs/fields.md`.
pub fn fields_reference() -> String {
    let all: Vec<&FieldInfo> = fields::all().collect();
    let never = all.iter().filter(|f| f.unanswerable.is_some()).count();
    let mut out = format!(
        "# Fields\n\n\
         The fields of filters and output formats. Generated by the program (`scap fields`); \
         `SCAP_UPDATE_DOCS=1 cargo test\n--test generated` updates this file.\n\n\
         There are {} fields. {} of them can have a value; the other {never} are accepted so that old \
         filters and chisels\nwork, and are always absent: the table says why.\n\n\
         A condition on an absent field is false. `[N]` is a number in brackets, `.KEY` a name after a dot, \
         or a name or number\nin brackets; arguments in double brackets are optional.\n\n\
         * *needs all events*: the value depends on events that the filter does not match. With such a \
         field in a filter the\n  whole capture is read, and a recorder cannot leave any syscall out.\n\
         * *needs payload*: the value may come from the bytes that calls moved, which are loaded only \
         then.\n\
         * *needs container runtime*: the value is known once the container's runtime has described \
         it.\n\
         * *needs sessions*: on events of a machine, the value comes from the audit log: the files are read once more, to \
         find which\n  requests started which processes ([audit.md](audit.md)).\n",
        all.len(),
        all.len() - never,
    );
    let mut class = "";
    for field in all {
        if field.class() != class {
            class = field.class();
            // Writing to a String cannot fail.
            let _always = write!(
                out,
                "\n## {class}\n\n| field | type | meaning |\n| --- | --- | --- |\n"
            );
        }
        let mut notes = notes(field);
        notes.extend(field.unanswerable.map(|_| "always absent".to_owned()));
        let notes = match notes.is_empty() {
            true => String::new(),
            false => format!(" *({})*", notes.join(", ")),
        };
        let why = field
            .unanswerable
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        let _always = writeln!(
            out,
            "| `{}{}` | {} | {}{notes}{why} |",
            field.name,
            argument(field),
            ty(field.ty),
            field.description.replace('|', "\\|"),
        );
    }
    out
}
