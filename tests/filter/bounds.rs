//! Filters made to break a parser: each ends soon, works or is refused, and the error can be read.

use std::time::{Duration, Instant};

use scap::filter::{Definitions, Filter, FilterErrorKind as K, MAX_DEPTH};

/// Far more than any of these takes, also unoptimised on a busy machine; what is quadratic takes minutes.
const SOON: Duration = Duration::from_secs(60);

/// Parses, and checks how long that takes.
fn parsed(text: &str) -> Result<Filter, K> {
    let clock = Instant::now();
    let result = Filter::parse(text);
    let taken = clock.elapsed();
    assert!(taken < SOON, "{} bytes: {taken:?}", text.len());
    result.map_err(|error| {
        assert!(error.span.start <= error.span.end && error.span.end <= text.len());
        assert!(text.is_char_boundary(error.span.start) && text.is_char_boundary(error.span.end));
        error.kind
    })
}

#[test]
fn definitions_cannot_explode() {
    let mut definitions = Definitions::new();
    definitions.add_macro("m0", "fd.num = 1").unwrap();
    definitions.add_list("l0", []);
    for i in 1..40 {
        let (m, l) = (format!("m{}", i - 1), format!("l{}", i - 1));
        definitions
            .add_macro(format!("m{i}"), &format!("{m} or {m} or {m}"))
            .unwrap();
        definitions.add_list(format!("l{i}"), vec![l; 3]);
    }
    let error = Filter::with_definitions("m39", &definitions).unwrap_err();
    assert!(error.to_string().contains("more than"), "{error}");
    let error = Filter::with_definitions("proc.name in (l39)", &definitions).unwrap_err();
    assert!(matches!(error.kind, K::TooLarge { .. }));
    let mut definitions = Definitions::new();
    definitions.add_macro("m0", "fd.num = 1").unwrap();
    for i in 1..2000 {
        definitions
            .add_macro(format!("m{i}"), &format!("not m{}", i - 1))
            .unwrap();
    }
    assert!(Filter::with_definitions("m1999", &definitions).is_err());
}

#[test]
fn depth_is_limited() {
    let nested = |n: usize| "(".repeat(n) + "fd.num = 1" + &")".repeat(n);
    assert!(parsed(&nested(MAX_DEPTH)).is_ok());
    for depth in [MAX_DEPTH + 1, 10_000, 1 << 20] {
        let error = Filter::parse(&nested(depth)).unwrap_err();
        assert!(matches!(error.kind, K::TooDeep(_)));
        assert_eq!(error.span, MAX_DEPTH..MAX_DEPTH + 1);
    }
    let nots = "not (".repeat(10_000) + "fd.num = 1" + &")".repeat(10_000);
    assert!(matches!(parsed(&nots).unwrap_err(), K::TooDeep(_)));
    let calls = "tolower(".repeat(10_000) + "proc.name" + &")".repeat(10_000) + " = a";
    assert!(matches!(parsed(&calls).unwrap_err(), K::TooDeep(_)));
    let lists = "join(',', ".to_owned() + &"(".repeat(10_000);
    assert!(matches!(parsed(&lists).unwrap_err(), K::TooDeep(_)));
    // These are not levels.
    assert!(parsed(&("not ".repeat(10_000) + "fd.num = 1")).is_ok());
    assert!(parsed(&("fd.num = 1 and ".repeat(10_000) + "fd.num = 1")).is_ok());
}

#[test]
fn a_megabyte_works() {
    let list = format!("proc.name in ({}x)", "abcdefg, ".repeat(110_000));
    assert!(list.len() > 980_000 && parsed(&list).is_ok());
    let many = "fd.num = 1 or ".repeat(70_000) + "fd.num = 2";
    assert!(parsed(&many).is_ok());
    let regexes = "proc.name regex a or ".repeat(45_000) + "fd.num = 2";
    assert!(matches!(parsed(&regexes).unwrap_err(), K::TooLarge { .. }));
    let quoted = format!("proc.name = \"{}", "\\\\".repeat(500_000));
    assert!(matches!(parsed(&quoted).unwrap_err(), K::UnclosedQuote));
    let name = format!("{} = 1", "a.".repeat(500_000) + "b");
    assert!(matches!(parsed(&name).unwrap_err(), K::Field(_)));
}

/// Pieces without end, none of which makes a filter.
#[test]
fn a_megabyte_of_nonsense_is_refused() {
    const PIECES: [&str; 24] = [
        "(",
        ")",
        "()",
        "not ",
        "and ",
        "or ",
        "(a and ",
        "a or (",
        "proc.name in (",
        "proc.name = ",
        "proc.name in (a, b",
        "tolower(",
        "[",
        "]",
        "=",
        "!",
        "\"",
        "'",
        "\\",
        ",",
        "\n",
        "é",
        "\0",
        "proc.nmae = a and ",
    ];
    for piece in PIECES {
        let text = piece.repeat((1 << 20) / piece.len());
        let kind = parsed(&text)
            .err()
            .unwrap_or_else(|| panic!("{piece:?} is a filter"));
        let known = matches!(
            kind,
            K::Expected { .. }
                | K::Empty
                | K::TooDeep(_)
                | K::UnclosedBracket
                | K::UnclosedQuote
                | K::UnknownMacro(_)
                | K::UnknownOperator(_)
                | K::Nul
                | K::Field(_)
                | K::NoClass(_)
        );
        assert!(known, "{piece:?}: {kind:?}");
        assert!(
            kind.to_string().len() < 1000,
            "{piece:?} is told at full length"
        );
    }
}

/// One long word wherever a word can stand: it is named in the error, but not at full length.
#[test]
fn unknown_words_are_shortened_in_errors() {
    let long = "x".repeat(1 << 20);
    for text in [
        long.clone(),
        format!("{long}.name = a"),
        format!("proc.{long} = a"),
        format!("proc.name {long} a"),
        format!("proc.aname[{long}] = a"),
        format!("proc.name in {long}"),
        format!("evt.type = {long}"),
        format!("fd.num = {long}"),
        format!("fd.ip = {long}"),
        format!("fd.net in ({long})"),
        format!("evt.failed = {long}"),
        format!("evt.latency > {long}"),
        format!("evt.time > {long}"),
        format!("{long}(proc.name) = a"),
        format!("proc.name = a {long}"),
    ] {
        let kind = parsed(&text).err();
        let kind = kind.unwrap_or_else(|| panic!("{} is a filter", &text[..20]));
        let message = kind.to_string();
        assert!(
            message.len() < 1000,
            "{}: {} bytes",
            &text[..20],
            message.len()
        );
    }
}

#[test]
fn regular_expressions_are_bounded() {
    let large = "(a|b)?".repeat(100_000);
    let deep = "(".repeat(10_000) + "a" + &")".repeat(10_000);
    for pattern in [
        "(",
        "[",
        "a{2,1}",
        "(?P<",
        "a**{",
        "(a{1000}){1000}",
        "\\p{Nothing}",
        &large,
        &deep,
    ] {
        let kind = parsed(&format!(
            "proc.name regex '{}'",
            pattern.replace('\\', "\\\\")
        ))
        .unwrap_err();
        assert!(matches!(kind, K::Regex(_)), "{kind:?}");
        assert!(kind.to_string().len() < 1000, "{}", kind.to_string().len());
    }
}
