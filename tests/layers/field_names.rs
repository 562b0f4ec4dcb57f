//! What may be concluded about a field is in the table of fields, not where the conclusion is drawn.
//!
//! Outside `engine/src/fields` sources may look fields up by name and write names into formats and filters, but
//! compare nothing with a field's name or class. [`ALLOWED`] has the exceptions.

use std::fs;

use crate::sources;

/// Files that may compare names of fields, and what for.
const ALLOWED: &[(&str, &str)] = &[(
    "tui/update/prompt.rs",
    "which tally has the values that a field's name is completed with",
)];

/// Functions that compare a text with their argument.
const COMPARE: &[&str] = &[
    "starts_with",
    "ends_with",
    "strip_prefix",
    "strip_suffix",
    "eq",
];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Word(String),
    Sign(char),
}

/// Splits a source into literals, words and signs, without comments and without its unit tests.
fn tokens(source: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &source[at..];
        if rest.starts_with("//") {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            // A quote that opens no text.
            while chars.next().is_some_and(|(_, c)| c != '"') {}
        } else if c == '"' {
            let mut text = String::new();
            while let Some((_, c)) = chars.next().filter(|(_, c)| *c != '"') {
                text.push(c);
                if c == '\\' {
                    text.extend(chars.next().map(|(_, c)| c));
                }
            }
            out.push(Token::Text(text));
        } else if c.is_alphanumeric() || c == '_' {
            let mut word = String::from(c);
            while let Some((_, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                word.push(c);
            }
            out.push(Token::Word(word));
        } else if !c.is_whitespace() {
            out.push(Token::Sign(c));
        }
    }
    out
}

/// Whether a text is the name of a field, or what several names begin with.
fn is_name(text: &str) -> bool {
    text.contains('.') && scap::fields::all().any(|f| f.name.starts_with(text))
}

fn is_class(text: &str) -> bool {
    scap::fields::CLASSES.iter().any(|class| class.name == text)
}

fn is_sign(tokens: &[Token], at: Option<usize>, sign: char) -> bool {
    at.and_then(|at| tokens.get(at)) == Some(&Token::Sign(sign))
}

/// Where the bracket around a token opens.
fn opening(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0;
    for before in (0..at).rev() {
        match tokens[before] {
            Token::Sign(')' | ']' | '}') => depth += 1,
            Token::Sign('(' | '[' | '{') if depth == 0 => return Some(before),
            Token::Sign('(' | '[' | '{') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Where the bracket around a token closes.
fn closing(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0;
    for (after, token) in tokens.iter().enumerate().skip(at + 1) {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') if depth == 0 => return Some(after),
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether a token is compared with something: by `==`, as a pattern, by a function, or as one of a list.
fn is_compared(tokens: &[Token], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n);
    let sign = |at: Option<usize>, sign| is_sign(tokens, at, sign);
    let equals = sign(before(1), '=') && (sign(before(2), '=') || sign(before(2), '!'))
        || sign(Some(at + 2), '=') && (sign(Some(at + 1), '=') || sign(Some(at + 1), '!'));
    let pattern = sign(before(1), '|')
        || sign(Some(at + 1), '|')
        || sign(Some(at + 1), '=') && sign(Some(at + 2), '>');
    let Some(open) = opening(tokens, at) else {
        return equals || pattern;
    };
    let word = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    let by_function = COMPARE.contains(&word(open.checked_sub(1)));
    let by_macro = word(open.checked_sub(2)) == "matches" && sign(open.checked_sub(1), '!');
    let after = closing(tokens, at).map(|close| close + 1);
    let in_pattern = sign(after, '=') && sign(after.map(|a| a + 1), '>') || word(after) == "if";
    // `&["a", "b"].contains(…)`, or a list with a name that is used so.
    let in_list = tokens[open] == Token::Sign('[');
    let contains = sign(after, '.') && word(after.map(|a| a + 1)) == "contains";
    let list = open
        .checked_sub(10)
        .filter(|start| in_list && word(Some(*start)) == "const")
        .map(|start| word(Some(start + 1)));
    let is_searched = list.is_some_and(|name| {
        tokens.windows(3).any(|t| {
            t[0] == Token::Word(name.to_owned())
                && t[1] == Token::Sign('.')
                && matches!(&t[2], Token::Word(w) if w == "contains" || w == "iter")
        })
    });
    equals || pattern || by_function || by_macro || in_pattern || in_list && contains || is_searched
}

/// The names of fields that a source compares something with.
fn compared(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    // Much else is called `fd` or `user`.
    let class = [Token::Word("class".to_owned()), Token::Sign('(')];
    let has_classes = tokens.windows(2).any(|pair| pair == class);
    let is_name = |text: &str| is_name(text) || has_classes && is_class(text);
    let literals = tokens.iter().enumerate();
    literals
        .filter_map(|(at, token)| match token {
            Token::Text(text) if is_name(text) && is_compared(&tokens, at) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn no_fact_about_a_field_is_keyed_on_its_name() {
    let mut found = Vec::new();
    let mut allowed: Vec<&str> = ALLOWED.iter().map(|(file, _)| *file).collect();
    for (src, file) in sources() {
        let path = file.strip_prefix(&src).unwrap().to_str().unwrap();
        let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
        if path.starts_with("fields/") || is_test {
            continue;
        }
        let names = compared(&fs::read_to_string(&file).unwrap());
        if ALLOWED.iter().any(|(file, _)| *file == path) {
            allowed.retain(|file| *file != path || names.is_empty());
            continue;
        }
        found.extend(names.into_iter().map(|name| format!("{path}: `{name}`")));
    }
    assert!(
        found.is_empty(),
        "an attribute in the table of fields should say it: {found:#?}"
    );
    assert!(allowed.is_empty(), "exceptions without need: {allowed:?}");
}

#[test]
fn the_checker_sees_every_way_to_compare() {
    for source in [
        r#"if info.name == "evt.num" {}"#,
        r#"if "evt.num" != name {}"#,
        r#"match name { "evt.type" => 1, _ => 0 }"#,
        r#"match name { "x" | "evt.type" => 1, _ => 0 }"#,
        r#"match (name, cell) { ("fd.name", Cell::Text(_)) => 1, _ => 0 }"#,
        r#"match (name, n) { ("fd.name", n) if n > 1 => 1, _ => 0 }"#,
        r#"matches!(name, "evt.dir")"#,
        r#"name.starts_with("evt.buflen")"#,
        r#"["proc.name", "fd.name"].contains(&name)"#,
        r#"const ALL: &[&str] = &["x", "proc.name"]; fn f() { ALL.contains(&name) }"#,
        r#"field.class() == "syslog""#,
        r#"let c = '"'; name == "evt.num""#,
    ] {
        assert!(!compared(source).is_empty(), "{source}");
    }
    for source in [
        r#"lookup("evt.num")"#,
        r#"// name == "evt.num""#,
        r#"const WHO: &[&str] = &["proc.name"]; fn f() { for name in WHO {} }"#,
        r#"is("fd.name", path)"#,
        r#"let fields = ["fd.name", "fs.path.name"].map(is);"#,
        r#"info.name == "fd""#,
    ] {
        assert_eq!(compared(source), [""; 0], "{source}");
    }
}
