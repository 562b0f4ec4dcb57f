//! What is a filter, what is not, and where the error is.

use scap::filter::ast::{ExprKind, Right};
use scap::filter::{Definitions, Filter, FilterErrorKind as K, parse};

/// The text parses, and prints as the second one.
macro_rules! ok {
    ($text:expr, $printed:expr) => {
        match parse($text) {
            Ok(expr) => assert_eq!(expr.to_string(), $printed, "{}", $text),
            Err(error) => panic!("{}: {error} at {:?}", $text, error.span),
        }
    };
}

/// The text is no filter; kind and span of the error.
macro_rules! err {
    ($text:expr, $kind:pat, $span:expr) => {{
        let error = Filter::parse($text).expect_err($text);
        assert!(matches!(error.kind, $kind), "{}: {:?}", $text, error);
        assert_eq!(error.span, $span, "{}: {error}", $text);
        error
    }};
}

#[test]
fn precedence() {
    ok!("a and b or c and d", "(a and b) or (c and d)");
    ok!("a or b and c or d", "a or (b and c) or d");
    ok!("not a and b", "not a and b");
    ok!("not (a and b)", "not (a and b)");
    ok!("not(a and b)or(c)", "not (a and b) or c");
    ok!("not not a", "a");
    ok!("not not not a", "not a");
    ok!("not (not a)", "not (not a)");
    ok!("a and(b or c)and d", "a and (b or c) and d");
    ok!("((a))", "a");
    ok!(" \t\r\n a\x08 ", "a");
    ok!("notfoo and nothing", "notfoo and nothing");
}

#[test]
fn checks_print() {
    ok!("proc.name=cat", "proc.name = cat");
    ok!("proc.name==cat", "proc.name = cat");
    ok!("proc.name!=cat", "proc.name != cat");
    ok!("fd.num>=3", "fd.num >= 3");
    ok!("fd.num<-3", "fd.num < -3");
    ok!("evt.dir=>", "evt.dir = >");
    ok!("evt.dir=< and a", "evt.dir = < and a");
    ok!("evt.dir!=>", "evt.dir != >");
    ok!("fd.name=/a*b?[c]!<%.", "fd.name = /a*b?[c]!<%.");
    ok!("fd.name exists", "fd.name exists");
    ok!("fd.name exists and(a)", "fd.name exists and a");
    ok!("proc.name contains'a b'", "proc.name contains \"a b\"");
    ok!("proc.name in(a,b)", "proc.name in (a, b)");
    ok!(
        "proc.name in ( 'a' , \"b\" )",
        "proc.name in (\"a\", \"b\")"
    );
    ok!("proc.name in ()", "proc.name in ()");
    ok!("proc.name in shells", "proc.name in shells");
    ok!("proc.name pmatch (/a, /b)", "proc.name pmatch (/a, /b)");
    ok!("proc.name intersects (a)", "proc.name intersects (a)");
    for op in [
        "glob",
        "iglob",
        "contains",
        "icontains",
        "bcontains",
        "startswith",
        "bstartswith",
        "endswith",
        "regex",
        "<",
        "<=",
        ">",
        ">=",
        "=",
        "!=",
    ] {
        let text = format!("evt.buffer {op} 6162");
        ok!(&text, text);
    }
}

#[test]
fn fields_and_their_arguments() {
    ok!("proc.aname[2]=x", "proc.aname[2] = x");
    ok!("proc.env[\"A B\"]=x", "proc.env[\"A B\"] = x");
    ok!("proc.env['A']=x", "proc.env['A'] = x");
    ok!(
        "container.mount.dest[/a/*]=x",
        "container.mount.dest[/a/*] = x"
    );
    ok!("evt.type.is.3 = 1", "evt.type.is.3 = 1");
    ok!("k8s.pod.label.app-name=x", "k8s.pod.label.app-name = x");
}

#[test]
fn quantifiers() {
    ok!(
        "proc.name startswith anyof(a, b)",
        "proc.name startswith anyof (a, b)"
    );
    ok!("proc.name != allof (a)", "proc.name != allof (a)");
    ok!("proc.name = oneof shells", "proc.name = oneof shells");
    // Without a list they are values.
    ok!("proc.name = anyof", "proc.name = anyof");
    ok!("proc.name = anyof and a", "proc.name = anyof and a");
    ok!("(proc.name = oneof)", "proc.name = oneof");
}

#[test]
fn transformers() {
    ok!("tolower(proc.name)=x", "tolower(proc.name) = x");
    ok!(
        "len( basename( fd.name ) ) > 3",
        "len(basename(fd.name)) > 3"
    );
    ok!(
        "proc.name = tolower(proc.pname)",
        "proc.name = tolower(proc.pname)"
    );
    ok!("proc.name = val(proc.pname)", "proc.name = val(proc.pname)");
    ok!("fd.types in val(fd.types)", "fd.types in val(fd.types)");
    ok!(
        "join(\",\", (proc.name, 'x', 3, tolower(proc.pname))) = x",
        "join(\",\", (proc.name, \"x\", 3, tolower(proc.pname))) = x"
    );
    ok!(
        "concat(proc.name, ':', proc.pname) = x",
        "concat(proc.name, \":\", proc.pname) = x"
    );
    ok!(
        "getopt(proc.args, \"t:\")[t] = x",
        "getopt(proc.args, \"t:\")[t] = x"
    );
    ok!("proc.name = 'tolower(x)'", "proc.name = \"tolower(x)\"");
}

#[test]
fn quotes_and_escapes() {
    let value = |text: &str| {
        let text = format!("proc.name = {text}");
        let ExprKind::Check(check) = parse(&text).unwrap().kind else {
            panic!("{text}");
        };
        let Right::Value(value) = check.right else {
            panic!("{text}");
        };
        value.bytes.into_vec()
    };
    assert_eq!(value(r#""a b""#), b"a b");
    assert_eq!(value(r#""a'b""#), b"a'b");
    assert_eq!(value(r#"'a"b'"#), b"a\"b");
    assert_eq!(value(r#""a\"b""#), b"a\"b");
    assert_eq!(value(r"'a\'b'"), b"a'b");
    assert_eq!(value(r#""\b\f\n\r\t\\\/""#), b"\x08\x0c\n\r\t\\/");
    assert_eq!(value(r#""\x41\xff""#), b"A\xff");
    assert_eq!(value(r#""a\ b""#), b"a\\b");
    assert_eq!(value(r"a\b"), b"a\\b");
    assert_eq!(value("\"\""), b"");
    assert_eq!(value("\"é\n\""), "é\n".as_bytes());

    err!(r#"proc.name = "\q""#, K::Escape(_), 13..15);
    err!(r#"proc.name = "\'""#, K::Escape(_), 13..15);
    err!(r"proc.name = '\é'", K::Escape(_), 13..16);
    err!(r#"proc.name = "\x4""#, K::Escape(_), 13..15);
    err!(r#"proc.name = "\x00""#, K::Nul, 13..17);
    err!("proc.name = \"a\0b\"", K::Nul, 14..15);
    err!("proc.name = a\0b", K::Nul, 13..14);
    err!(r#"proc.name = "abc"#, K::UnclosedQuote, 12..13);
    err!(r#"proc.name = "abc\"#, K::Escape(_), 16..17);
    err!(r#"proc.name = "abc\""#, K::UnclosedQuote, 12..13);
}

#[test]
fn errors_of_syntax() {
    err!("", K::Empty, 0..0);
    err!(" \n", K::Empty, 0..2);
    err!("(", K::Expected { .. }, 1..1);
    err!("()", K::Expected { .. }, 1..2);
    err!("(proc.name = a", K::UnclosedBracket, 0..1);
    err!("proc.name = a)", K::Expected { .. }, 13..14);
    err!("proc.name", K::Expected { .. }, 9..9);
    err!("proc.name and a", K::Expected { .. }, 10..13);
    err!("proc.name =", K::Expected { .. }, 11..11);
    err!("proc.name = )", K::Expected { .. }, 12..13);
    err!("proc.name = (a, b)", K::Expected { .. }, 12..13);
    err!("proc.name = a b", K::Expected { .. }, 14..15);
    err!("proc.name = a and", K::Expected { .. }, 17..17);
    err!("proc.name = a andfoo", K::Expected { .. }, 14..20);
    err!("and", K::Expected { .. }, 0..3);
    err!("not", K::Expected { .. }, 3..3);
    err!("proc. = a", K::Expected { .. }, 5..6);
    err!("proc.name in", K::Expected { .. }, 12..12);
    err!("proc.name in a, b", K::Expected { .. }, 14..15);
    err!("proc.name in (a b)", K::Expected { .. }, 16..17);
    err!("proc.name in (a,)", K::Expected { .. }, 16..17);
    err!("proc.name in (a,", K::UnclosedBracket, 13..14);
    err!("proc.name in (a", K::UnclosedBracket, 13..14);
    err!("proc.env[ = a", K::Expected { .. }, 9..10);
    err!("proc.env[A = a", K::Expected { .. }, 10..11);
    err!("proc.env[A", K::UnclosedBracket, 8..9);
    err!("tolower(", K::UnclosedBracket, 7..8);
    err!("tolower(x) = a", K::Expected { .. }, 8..9);
    err!("proc.name = tolower(proc.pname", K::UnclosedBracket, 19..20);
    err!("!proc.name = a", K::Expected { .. }, 0..10);
    err!("proc.name = a && proc.name = b", K::Expected { .. }, 14..16);
    err!("name = cat", K::NoClass(_), 0..4);
    err!("proc.name = a\n and\n x y", K::Expected { .. }, 22..23);
}

#[test]
fn unknown_operators_have_suggestions() {
    let hint = |text: &str, span| err!(text, K::UnknownOperator(_), span).hint.unwrap();
    assert_eq!(
        hint("proc.name startwith a", 10..19),
        "did you mean `startswith`, `bstartswith`?".replace(", ", " or ")
    );
    assert_eq!(hint("proc.name eq a", 10..12), "it is written `=`");
    assert_eq!(
        hint("proc.name matches a", 10..17),
        "a regular expression is matched with `regex`"
    );
    assert_eq!(
        hint("proc.name not in (a)", 10..13),
        "`not` stands before the field: `not proc.name in (a, b)`"
    );
    assert_eq!(
        hint("proc.name !~ a", 10..12),
        "write `not FIELD regex PATTERN`"
    );
    let error = err!("proc.name =~ a.c", K::Expected { .. }, 13..16);
    assert_eq!(
        error.hint.unwrap(),
        "a regular expression is matched with `regex`"
    );
}

#[test]
fn errors_of_names_and_types() {
    let error = err!("proc.nmae = a", K::Field(_), 0..9);
    assert!(error.hint.unwrap().contains("`proc.name`"));
    let error = err!("name = cat", K::NoClass(_), 0..4);
    assert!(error.hint.unwrap().contains("`proc.name`"));
    err!("fd.name.x = a", K::Field(_), 0..9);
    err!("proc.name[1] = a", K::Field(_), 0..12);
    err!("evt.arg = a", K::Field(_), 0..7);
    err!("proc.aname[x] = a", K::Field(_), 0..13);
    err!("foo", K::UnknownMacro(_), 0..3);
    err!("proc.name in foo", K::UnknownList(_), 13..16);
    err!("tolwer(proc.name) = a", K::UnknownTransformer(_), 0..6);
    err!(
        "proc.name = tolwer(proc.name)",
        K::UnknownTransformer(_),
        12..18
    );
    err!("val(proc.name) = a", K::TransformerArguments { .. }, 0..3);
    err!(
        "tolower(proc.name, proc.name) = a",
        K::TransformerArguments { .. },
        0..7
    );
    err!("tolower(fd.num) = a", K::TransformerArguments { .. }, 0..7);
    err!("len(fd.num) = 1", K::TransformerArguments { .. }, 0..3);
    err!(
        "tolower(proc.name)[1] = a",
        K::TransformerArguments { .. },
        0..7
    );
    err!("join(proc.name) = a", K::TransformerArguments { .. }, 0..4);
    err!(
        "concat(proc.name) = a",
        K::TransformerArguments { .. },
        0..6
    );
    err!(
        "getopt(proc.args) = a",
        K::TransformerArguments { .. },
        0..6
    );
    err!(
        "getopt(proc.args, \"a\")[ab] = a",
        K::TransformerArguments { .. },
        0..6
    );
    err!("tolower(proc.aname) = a", K::NoTransformer(_), 8..18);
    err!("evt.outputtime = a", K::PrintOnly(_), 0..14);
    err!("fd.num contains 1", K::OperatorNotAllowed { .. }, 7..15);
    err!("fd.num pmatch (1)", K::OperatorNotAllowed { .. }, 7..13);
    err!("evt.failed < true", K::OperatorNotAllowed { .. }, 11..12);
    err!("fd.ip > 1.2.3.4", K::OperatorNotAllowed { .. }, 6..7);
    err!(
        "proc.name bcontains 41",
        K::OperatorNotAllowed { .. },
        10..19
    );
    err!("evt.buffer glob a", K::OperatorNotAllowed { .. }, 11..15);
    err!("fd.types = file", K::OperatorNotAllowed { .. }, 9..10);
    err!("fd.num = x", K::InvalidValue { .. }, 9..10);
    err!("fd.num in (1, x)", K::InvalidValue { .. }, 14..15);
    err!("fd.num = 0x", K::InvalidValue { .. }, 9..11);
    err!("fd.num = 1.5", K::InvalidValue { .. }, 9..12);
    err!("evt.failed = yes", K::InvalidValue { .. }, 13..16);
    err!("fd.ip = 1.2.3", K::InvalidValue { .. }, 8..13);
    err!("fd.ip = 10.0.0.0/8", K::InvalidValue { .. }, 8..18);
    err!("fd.net = 10.0.0.0/33", K::InvalidValue { .. }, 9..20);
    err!("fd.port = 65536", K::InvalidValue { .. }, 10..15);
    err!("fd.port = htpps", K::InvalidValue { .. }, 10..15);
    err!("evt.latency > 10x", K::InvalidValue { .. }, 14..17);
    err!("evt.time > noon", K::InvalidValue { .. }, 11..15);
    err!("evt.buffer bcontains 414", K::InvalidValue { .. }, 21..24);
    err!("evt.buffer bcontains 4x", K::InvalidValue { .. }, 21..23);
    err!("evt.rawarg.fd = x", K::InvalidValue { .. }, 16..17);
    err!("evt.type = opne", K::UnknownEventType(_), 11..15);
    err!("evt.type in (open, opne)", K::UnknownEventType(_), 19..23);
    err!("evt.type != opne", K::UnknownEventType(_), 12..16);
    err!("proc.name regex '('", K::Regex(_), 16..19);
    err!("proc.name regex 'a)|(b'", K::Regex(_), 16..23);
    err!("proc.name regex '(a{1000}){1000}'", K::Regex(_), 16..33);
    err!(
        "proc.name regex val(proc.pname)",
        K::OperatorNeedsValues(_),
        10..15
    );
    err!(
        "proc.name pmatch val(proc.pname)",
        K::OperatorNeedsValues(_),
        10..16
    );
    err!("proc.name = val(fd.num)", K::TypesDiffer { .. }, 12..23);
    err!("proc.name = val(fd.types)", K::NoRightHandSide(_), 12..25);
    err!("proc.name = val(proc.aname)", K::NoRightHandSide(_), 12..27);
    err!("fd.snet = val(fd.snet)", K::NoRightHandSide(_), 10..22);
    err!("fd.sip = val(fd.ip)", K::NoRightHandSide(_), 9..19);
    err!("proc.name = val(proc.nmae)", K::Field(_), 16..25);
    err!("evt.around[5] > 3", K::OperatorNotAllowed { .. }, 14..15);
    err!(
        "(proc.name in (a) and fd.num = x)",
        K::InvalidValue { .. },
        31..32
    );
}

#[test]
fn what_is_right() {
    for text in [
        "evt.type = open",
        "evt.type in (open, openat, creat, execve, ppoll, keyctl)",
        "evt.type contains stat",
        "evt.type glob 'open*'",
        "evt.dir = >",
        "evt.num = 0x10",
        "evt.latency > 10ms",
        "evt.latency > 1000",
        "evt.latency.s > 2m",
        "evt.reltime < 1.5s",
        "evt.time > 03:12:01.5",
        "evt.time = \"2026-11-24 03:12:01\"",
        "evt.time contains 03:",
        "evt.datetime > 2026-11-24T03:12",
        "evt.rawtime > 2026-11-24T03:12Z",
        "evt.rawtime > 1700000000000000000",
        "evt.rawtime.s > 2026-11-24",
        "evt.around[1700000000000000000] = 5",
        "fd.port = https",
        "fd.proto in (ssh, 80)",
        "fd.sport >= 1024",
        "fd.ip in (1.2.3.4, ::1)",
        "fd.snet in (10.0.0.0/8, fe80::/10)",
        "evt.rawarg.uid = 0",
        "evt.rawarg.flags != 0",
        "evt.rawarg[0] contains x",
        "evt.arg.flags contains O_CREAT",
        "evt.arg[1] = x",
        "evt.buffer bcontains 6c6c6F",
        "proc.fdusage > 50.5",
        "evt.failed = true",
        "proc.aname = x",
        "proc.aname[3] in (a, b)",
        "proc.apid = 1",
        "fd.types intersects (file, ipv4)",
        "fd.types[3] = file",
        "proc.name regex '^a.*$'",
        "user.uid = -1",
        "proc.pid = val(thread.tid)",
        "len(fd.types) > 3",
        "getopt(proc.args, 'ab') intersects (a)",
        "proc.name = anyof (a, b)",
        "fd.sip != allof (1.2.3.4, 1.2.3.5)",
        "fd.num = oneof (1, 2)",
        "proc.duration > 1h",
    ] {
        if let Err(error) = Filter::parse(text) {
            panic!("{text}: {error} at {:?}", error.span);
        }
    }
}

#[test]
fn macros_and_lists() {
    let mut definitions = Definitions::new();
    definitions
        .add_macro("reading", "evt.type in (read, pread)")
        .unwrap();
    definitions
        .add_macro("busy", "reading or evt.type = write")
        .unwrap();
    definitions.add_macro("loop_a", "not loop_b").unwrap();
    definitions
        .add_macro("loop_b", "fd.num = 1 or loop_a")
        .unwrap();
    definitions
        .add_macro("bad", "proc.name = a and fd.num = x")
        .unwrap();
    definitions.add_list("shells", ["sh", "bash"].map(str::to_owned));
    definitions.add_list(
        "more",
        ["zsh", "shells", "\"my shell\"", "your shell"].map(str::to_owned),
    );
    definitions.add_list("one", ["sh".to_owned()]);
    definitions.add_list("loop_l", ["loop_m".to_owned()]);
    definitions.add_list("loop_m", ["loop_l".to_owned()]);
    definitions.add_list("numbers", ["1", "x"].map(str::to_owned));
    let with = |text| Filter::with_definitions(text, &definitions);
    for text in [
        "busy and proc.name in (shells)",
        "not busy or proc.name in more",
        "proc.name in (a, more, b)",
        "proc.name = one",
        "proc.name startswith anyof (shells)",
        "proc.name = anyof shells",
        "proc.name = 'shells'",
    ] {
        assert!(with(text).is_ok(), "{text}: {:?}", with(text));
    }
    let error = with("not bad").unwrap_err();
    assert_eq!(error.span, 4..7);
    let K::InMacro { name, error, text } = error.kind else {
        panic!("{error:?}");
    };
    assert_eq!((&*name, error.span.clone()), ("bad", 27..28));
    assert_eq!(&text[error.span], "x");
    let error = with("loop_a").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("macro `loop_a` refers to itself"),
        "{error}"
    );
    let error = with("proc.name in (loop_l)").unwrap_err();
    assert!(matches!(error.kind, K::Recursive { what: "list", .. }));
    let error = with("proc.name = shells").unwrap_err();
    assert!(matches!(error.kind, K::ListAsValue { count: 2, .. }));
    let error = with("fd.num in (0, numbers)").unwrap_err();
    assert!(matches!(error.kind, K::InvalidValue { .. }));
    assert_eq!(error.span, 14..21);
    let error = with("proc.name in shels").unwrap_err();
    assert_eq!(error.hint.unwrap(), "did you mean `shells`?");
    let error = with("readin").unwrap_err();
    assert_eq!(error.hint.unwrap(), "did you mean `reading`?");
}
