//! Chisel arguments: declarations in the script, and values from the command line.

use super::error::ChiselError;

/// An argument that a script declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its type: `string`, `int`, `ipv4`, `filter`, or anything else.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its description.
    pub description: String,
    /// True if it can be omitted.
    pub optional: bool,
}

/// Splits the arguments of a chisel at single spaces outside of quotes.
///
/// # Errors
///
/// A quote that is not closed.
pub(super) fn split(chisel: &str, text: &str) -> Result<Vec<String>, ChiselError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let is_quote = |c: char| matches!(c, '\'' | '`');
    let mut arguments = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= is_quote(c);
        match arguments.last_mut() {
            Some(last) if quoted || c != ' ' => last.push(c),
            _ => arguments.push(String::new()),
        }
    }
    if quoted {
        return Err(ChiselError::Arguments {
            chisel: chisel.to_owned(),
            reason: "a quote in the arguments is not closed".to_owned(),
            usage: String::new(),
        });
    }
    for argument in &mut arguments {
        let bare = argument.strip_prefix(is_quote).unwrap_or(argument);
        let bare = bare.strip_suffix(is_quote).unwrap_or(bare);
        *argument = bare.to_owned();
    }
    Ok(arguments)
}

/// Checks the number of arguments.
pub(super) fn check(
    chisel: &str,
    declared: &[Argument],
    given: &[String],
) -> Result<(), ChiselError> {
    let required = declared.iter().filter(|a| !a.optional).count();
    let reason = if given.len() < required {
        let missing = declared.iter().filter(|a| !a.optional).nth(given.len());
        let name = missing.map_or("", |argument| argument.name.as_str());
        format!("argument <{name}> is missing")
    } else if given.len() > declared.len() {
        format!(
            "too many arguments: {} given, {} accepted",
            given.len(),
            declared.len()
        )
    } else {
        return Ok(());
    };
    Err(ChiselError::Arguments {
        chisel: chisel.to_owned(),
        reason,
        usage: usage(chisel, declared),
    })
}

/// Returns the usage of a chisel.
pub fn usage(chisel: &str, declared: &[Argument]) -> String {
    let mut words = vec![format!("-c {chisel}")];
    let mut arguments = declared.iter().map(|argument| {
        if argument.optional {
            format!("[{}]", argument.name)
        } else {
            format!("<{}>", argument.name)
        }
    });
    match declared.len() {
        0 => {}
        1 => words.extend(arguments),
        _ => {
            let all: Vec<String> = arguments.by_ref().collect();
            words.push(format!("\"{}\"", all.join(" ")));
        }
    }
    words.join(" ")
}

/// Returns true if the word after a chisel's name is its arguments: always if arguments are
/// required; if they are optional, unless the word is an option or part of the filter at the end of
/// the command line.
pub fn takes(declared: &[Argument], word: &str, is_filter: impl FnOnce() -> bool) -> bool {
    match declared {
        [] => false,
        _ if declared.iter().any(|a| !a.optional) => true,
        _ if word.starts_with('-') => false,
        [only] if only.kind == "filter" => true,
        _ => !is_filter(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument(kind: &str, optional: bool) -> Argument {
        Argument {
            name: "x".to_owned(),
            kind: kind.to_owned(),
            optional,
            ..Argument::default()
        }
    }

    #[test]
    fn arguments_are_split_as_sysdig_does() {
        let parts = |text| split("c", text).unwrap();
        assert_eq!(parts("  "), Vec::<String>::new());
        assert_eq!(parts(" a b "), ["a", "b"]);
        assert_eq!(parts("a  b"), ["a", "", "b"]);
        assert_eq!(parts("'a b' `c d`"), ["a b", "c d"]);
        assert_eq!(parts("x'a b'"), ["x'a b"]);
        assert!(split("c", "'a b").is_err());
    }

    #[test]
    fn the_number_of_arguments_is_checked() {
        let declared = [argument("string", false), argument("string", true)];
        let check = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|g| (*g).to_owned()).collect();
            check("c", &declared, &given)
                .map_err(|e| e.to_string())
                .err()
        };
        assert_eq!(check(&["a"]), None);
        assert_eq!(check(&["a", "b"]), None);
        assert_eq!(
            check(&[]).as_deref(),
            Some("chisel c: argument <x> is missing")
        );
        assert_eq!(
            check(&["a", "b", "c"]).as_deref(),
            Some("chisel c: too many arguments: 3 given, 2 accepted")
        );
        assert_eq!(usage("c", &declared), "-c c \"<x> [x]\"");
    }

    #[test]
    fn the_next_word_is_an_argument_or_a_filter() {
        let required = [argument("int", false)];
        let optional = [argument("string", true)];
        let filter = [argument("filter", true)];
        assert!(!takes(&[], "x", || false));
        assert!(takes(&required, "-x", || true));
        assert!(takes(&optional, "disable_color", || false));
        assert!(!takes(&optional, "proc.name=x", || true));
        assert!(!takes(&optional, "-n", || false));
        assert!(takes(&filter, "fd.type=ipv4", || true));
    }
}
