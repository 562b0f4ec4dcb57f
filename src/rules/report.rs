//! What was found when a rule file was loaded: errors and warnings with Falco's codes.

use serde_json::{Value, json};

use super::yaml::Mark;

/// Kinds of errors and warnings, with the codes of Falco (`falco_load_result.cpp`).
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $code:literal $text:literal,)*) => {
        /// The kind of an error or a warning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Returns the name that Falco gives it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Describes it in a few words.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The file cannot be read.
    FileRead "LOAD_ERR_FILE_READ" "File read error",
    /// The file is not YAML.
    YamlParse "LOAD_ERR_YAML_PARSE" "YAML parse error",
    /// The structure of the file is wrong.
    YamlValidate "LOAD_ERR_YAML_VALIDATE" "Error validating internal structure of YAML file",
    /// A condition is invalid.
    CompileCondition "LOAD_ERR_COMPILE_CONDITION" "Error compiling condition",
    /// An output is invalid.
    CompileOutput "LOAD_ERR_COMPILE_OUTPUT" "Error compiling output",
    /// An item contradicts another, or the program's version.
    Validate "LOAD_ERR_VALIDATE" "Error validating rule/macro/list/exception objects",
    /// One of scap's own keys is invalid.
    Extension "LOAD_ERR_EXTENSION" "Error in extension item",
    /// A rule is for an event source that does not exist.
    UnknownSource "LOAD_UNKNOWN_SOURCE" "Unknown event source",
    /// A field is compared with `<NA>`, which it never is.
    UnsafeNaCheck "LOAD_UNSAFE_NA_CHECK" "Unsafe <NA> comparison in condition",
    /// A rule looks at events of nearly all types.
    NoEvtType "LOAD_NO_EVTTYPE" "Condition has no event-type restriction",
    /// A rule is left out because of a field that does not exist.
    UnknownFilter "LOAD_UNKNOWN_FILTER" "Unknown field or event-type in condition or output",
    /// No rule uses a macro.
    UnusedMacro "LOAD_UNUSED_MACRO" "Unused macro",
    /// No rule uses a list.
    UnusedList "LOAD_UNUSED_LIST" "Unused list",
    /// An item is of no known kind.
    UnknownItem "LOAD_UNKNOWN_ITEM" "Unknown rules file item",
    /// Something that newer versions do otherwise.
    DeprecatedItem "LOAD_DEPRECATED_ITEM" "Used deprecated item",
    /// One of scap's own keys is questionable.
    ExtensionWarning "LOAD_WARNING_EXTENSION" "Warning in extension item",
    /// An exception is appended without values.
    AppendNoValues "LOAD_APPEND_NO_VALUES" "Overriding/appending exception with no values",
    /// Two exceptions of an item have one name.
    ExceptionNameNotUnique "LOAD_EXCEPTION_NAME_NOT_UNIQUE" "Multiple exceptions defined with the same name",
    /// Conditions cannot refer to a macro of this name.
    InvalidMacroName "LOAD_INVALID_MACRO_NAME" "Invalid macro name",
    /// Conditions cannot refer to a list of this name.
    InvalidListName "LOAD_INVALID_LIST_NAME" "Invalid list name",
    /// A condition is valid, and probably not what was meant.
    ConditionWarning "LOAD_COMPILE_CONDITION" "Warning in rule condition",
    /// A key is not known and ignored.
    UnknownKey "LOAD_UNKNOWN_KEY" "Unknown key",
}

impl Code {
    /// Returns true if the file cannot be used because of it.
    pub fn is_error(self) -> bool {
        self.name().starts_with("LOAD_ERR_")
    }
}

/// One step from a file to the place of an error.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is there: `rule`, `macro`, `condition expression`, …
    pub item: &'static str,
    /// Its name; empty if it has none.
    pub name: String,
    /// Where it is in the file.
    pub mark: Mark,
}

/// An error or a warning.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its kind.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// From the file to the place, outermost first.
    pub context: Vec<Step>,
    /// The part of the file, in bytes, that it is about.
    pub span: std::ops::Range<usize>,
}

/// What was found in one file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The name of the file.
    pub name: String,
    /// Its text; empty if it cannot be read.
    pub text: String,
    /// Errors and warnings, in the order in which they were found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Returns the errors; the first one ends the loading of the file.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.code.is_error())
    }

    /// Returns the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| !f.code.is_error())
    }

    /// Returns true if the file has no error.
    pub fn is_ok(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Returns the line of Falco's summary: `FILE: Ok`.
    pub fn summary(&self) -> String {
        let state = match (self.is_ok(), self.warnings().next().is_some()) {
            (false, _) => "Invalid",
            (true, true) => "Ok, with warnings",
            (true, false) => "Ok",
        };
        format!("{}: {state}", self.name)
    }

    /// Returns the file's entry in `falco_load_results`. Lines and columns are counted from 0, as Falco does.
    pub fn to_json(&self) -> Value {
        let finding = |finding: &Finding| {
            let step = |step: &Step| {
                let Mark {
                    line,
                    column,
                    offset,
                } = step.mark;
                json!({
                    "item_type": step.item,
                    "item_name": step.name,
                    "position": {"name": self.name, "line": line, "column": column, "offset": offset},
                })
            };
            json!({
                "code": finding.code.name(),
                "codedesc": finding.code.description(),
                "message": finding.message,
                "context": {
                    "locations": finding.context.iter().map(step).collect::<Vec<_>>(),
                    "snippet": self.snippet(finding),
                },
            })
        };
        json!({
            "name": self.name,
            "successful": self.is_ok(),
            "errors": self.errors().map(finding).collect::<Vec<_>>(),
            "warnings": self.warnings().map(finding).collect::<Vec<_>>(),
        })
    }

    /// Returns the line of the file that a finding is about, with a caret below the place.
    fn snippet(&self, finding: &Finding) -> String {
        /// Limit of what is shown of a line, in bytes.
        const WIDTH: usize = 160;
        let at = self.text.floor_char_boundary(finding.span.start);
        let start = self.text[..at].rfind('\n').map_or(0, |line| line + 1);
        let from = self
            .text
            .ceil_char_boundary(start.max(at.saturating_sub(WIDTH / 2)));
        let end = self.text[at..]
            .find('\n')
            .map_or(self.text.len(), |line| at + line);
        let to = self.text.floor_char_boundary(end.min(from + WIDTH));
        let shown = self.text.get(from..to).unwrap_or_default();
        let before = self
            .text
            .get(from..at)
            .map_or(0, |text| text.chars().count());
        format!("{shown}\n{:before$}^\n", "")
    }
}
