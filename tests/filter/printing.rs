//! Any expression is parsed again from its text, and any text is refused with a place in it.

use proptest::prelude::*;
use scap::filter::ast::{
    Arg, Call, Check, Expr, ExprKind, Literal, Op, Operand, OperandKind, Quantifier, Right,
};
use scap::filter::{Filter, parse};

/// Sets every span to nothing.
fn without_spans(expr: &mut Expr) {
    expr.span = 0..0;
    match &mut expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => parts.iter_mut().for_each(without_spans),
        ExprKind::Not(inner) => without_spans(inner),
        ExprKind::Macro(_) => {}
        ExprKind::Check(check) => {
            operand_without_spans(&mut check.left);
            check.op_span = 0..0;
            right_without_spans(&mut check.right);
        }
    }
}

fn operand_without_spans(operand: &mut Operand) {
    operand.span = 0..0;
    if let OperandKind::Call(call) = &mut operand.kind {
        call.name_span = 0..0;
        call.args.iter_mut().for_each(arg_without_spans);
        call.index.iter_mut().for_each(|l| l.span = 0..0);
    }
}

fn arg_without_spans(arg: &mut Arg) {
    match arg {
        Arg::Operand(operand) => operand_without_spans(operand),
        Arg::Literal(literal) => literal.span = 0..0,
        Arg::List(args, span) => {
            args.iter_mut().for_each(arg_without_spans);
            *span = 0..0;
        }
    }
}

fn right_without_spans(right: &mut Right) {
    match right {
        Right::None => {}
        Right::Value(literal) | Right::Named(literal) => literal.span = 0..0,
        Right::List(literals, span) => {
            literals.iter_mut().for_each(|l| l.span = 0..0);
            *span = 0..0;
        }
        Right::Operand(operand) => operand_without_spans(operand),
        Right::Each(_, inner) => right_without_spans(inner),
    }
}

fn literal(bytes: &[u8], quoted: bool) -> Literal {
    Literal {
        bytes: bytes.into(),
        quoted,
        span: 0..0,
    }
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        "[a-z0-9/*<>.!\\[\\]é\\\\-]{1,6}".prop_filter_map("words", |s| {
            let word = matches!(&*s, "and" | "or" | "not" | "anyof" | "allof" | "oneof");
            (!word).then(|| literal(s.as_bytes(), false))
        }),
        prop::collection::vec(1_u8..=255, 0..6).prop_map(|b| literal(&b, true)),
    ]
}

fn operands() -> impl Strategy<Value = Operand> {
    let operand = |kind| Operand { kind, span: 0..0 };
    let field = prop_oneof![
        Just("proc.name"),
        Just("proc.aname[2]"),
        Just("proc.env[\"A B\"]"),
        Just("k8s.pod.label.app-x"),
    ]
    .prop_map(move |f| operand(OperandKind::Field(f.to_owned())));
    field.prop_recursive(3, 12, 3, move |inner| {
        let arg = prop_oneof![
            inner.prop_map(Arg::Operand),
            prop::collection::vec(1_u8..=255, 0..4).prop_map(|b| Arg::Literal(literal(&b, true))),
            (0..1000_u32).prop_map(|n| Arg::Literal(literal(n.to_string().as_bytes(), false))),
        ];
        let arg = prop_oneof![
            arg.clone(),
            prop::collection::vec(arg, 0..3).prop_map(|args| Arg::List(args, 0..0)),
        ];
        (
            prop_oneof![Just("tolower"), Just("join"), Just("x")],
            prop::collection::vec(arg, 0..3),
            prop::option::of(Just(literal(b"t", false))),
        )
            .prop_map(move |(name, args, index)| {
                operand(OperandKind::Call(Call {
                    name: name.to_owned(),
                    name_span: 0..0,
                    args,
                    index,
                }))
            })
    })
}

fn checks() -> impl Strategy<Value = Check> {
    let op = prop::sample::select(Op::ALL);
    let quantifier = prop_oneof![
        Just(Quantifier::Any),
        Just(Quantifier::All),
        Just(Quantifier::One)
    ];
    let list = prop::collection::vec(literals(), 0..4);
    (
        operands(),
        op,
        list,
        literals(),
        operands(),
        quantifier,
        0..4_u8,
    )
        .prop_map(|(left, op, list, one, right, quantifier, form)| {
            let list = Right::List(list, 0..0);
            let call = matches!(right.kind, OperandKind::Call(_));
            let right = match form {
                _ if op == Op::Exists => Right::None,
                0 if call && !op.is_ordering() => Right::Operand(right),
                1 if op.takes_quantifier() => Right::Each(quantifier, Box::new(list)),
                2 if op.takes_list() => Right::Named(literal(b"name", false)),
                _ if op.takes_list() => list,
                _ => Right::Value(one),
            };
            Check {
                left,
                op,
                op_span: 0..0,
                right,
            }
        })
}

fn expressions() -> impl Strategy<Value = Expr> {
    let expr = |kind| Expr { kind, span: 0..0 };
    let leaf = prop_oneof![
        4 => checks().prop_map(move |c| expr(ExprKind::Check(Box::new(c)))),
        1 => Just(expr(ExprKind::Macro("some_macro".to_owned()))),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(move |p| expr(ExprKind::And(p))),
            parts.prop_map(move |p| expr(ExprKind::Or(p))),
            inner.prop_map(move |e| expr(ExprKind::Not(Box::new(e)))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_parses_back(expr in expressions()) {
        let text = expr.to_string();
        let mut parsed = parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e} {:?}", e.span)))?;
        without_spans(&mut parsed);
        prop_assert_eq!(parsed, expr, "{}", text);
    }

    #[test]
    fn spans_lie_in_the_text(text in "[a-z.()=<>!\"'\\\\, 0-9é\\[\\]\t\n]{0,40}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}");
        }
    }

    #[test]
    fn nothing_panics(words in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
        let text = words.concat();
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}");
        }
    }
}

/// Pieces that filters are made of.
const WORDS: &[&str] = &[
    "proc.name",
    "fd.num",
    "evt.type",
    "evt.rawarg.fd",
    "fd.net",
    "fd.types",
    "evt.time",
    "proc.aname",
    "evt.buffer",
    " and ",
    " or ",
    "not ",
    "(",
    ")",
    "=",
    "!=",
    "<",
    ">=",
    " in ",
    " pmatch ",
    " regex ",
    " contains ",
    " exists ",
    "glob ",
    "bcontains ",
    "anyof ",
    "tolower(",
    "val(",
    "join(",
    "len(",
    "getopt(",
    ",",
    "\"",
    "'",
    "\\",
    "a",
    "1",
    "0x",
    "10.0.0.0/8",
    "open",
    "[2]",
    "[",
    "]",
    " ",
    "é",
    "\n",
    "\"a\"",
    "(a)",
    "03:12",
];
