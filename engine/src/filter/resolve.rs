//! From syntax tree to checked conditions: names are looked up, macros and lists expanded,
//! operators and values type-checked. Later steps cannot fail.

use regex::bytes::RegexBuilder;

use super::ast::{self, Expr, ExprKind, Literal, Op, Quantifier, Span};
use super::definitions::{Definitions, Macro};
use super::error::{FilterError, FilterErrorKind};
use super::literal::{self, Datum, Reading};
use super::operands;
use super::transform::Operand;
use super::types::{Count, Kind, Ty};
use super::typeset;
use crate::event::suggest::did_you_mean;
use crate::fields::attributes::Role;
use crate::fields::{ArgForm, Field, FieldFlags, LookupError};

/// Limit of comparisons, after expansion of macros.
pub(super) const MAX_CHECKS: usize = 250_000;
/// Limit of values, after expansion of lists.
const MAX_VALUES: usize = 4 << 20;
/// Limit of regular expressions; each takes tens of kilobytes.
const MAX_REGEXES: usize = 200;
/// Size limit of one compiled regular expression, in bytes.
const REGEX_SIZE: usize = 1 << 20;
/// Limit of nested conditions, after expansion of macros.
const MAX_LEVELS: usize = 320;

/// A condition.
#[derive(Debug)]
pub(super) enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Check(Box<Check>),
}

/// A comparison.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) left: Operand,
    pub(super) op: Op,
    pub(super) right: Right,
    /// The operands as they were written.
    names: String,
}

impl Check {
    /// Returns a text that only comparisons with the same meaning have.
    pub(super) fn key(&self) -> String {
        let Self {
            op, right, names, ..
        } = self;
        let op = op.name();
        match right {
            Right::None | Right::Operand(_) => format!("{names} {op}"),
            Right::Values(quantifier, values) => format!("{names} {op} {quantifier:?} {values:?}"),
        }
    }
}

/// The right-hand side of a comparison.
#[derive(Debug)]
pub(super) enum Right {
    None,
    Values(Option<Quantifier>, Vec<Datum>),
    Operand(Operand),
}

/// Resolves a filter.
pub(super) fn resolve(expr: &Expr, definitions: &Definitions) -> Result<Node, FilterError> {
    let mut resolver = Resolver {
        definitions,
        macros: Vec::new(),
        levels: 0,
        checks: 0,
        values: 0,
        regexes: 0,
    };
    resolver.expr(expr)
}

struct Resolver<'d> {
    definitions: &'d Definitions,
    /// The macros that enclose the current expression.
    macros: Vec<&'d str>,
    levels: usize,
    checks: usize,
    values: usize,
    regexes: usize,
}

/// Counts against a limit.
fn count(
    counter: &mut usize,
    more: usize,
    limit: usize,
    what: &'static str,
    span: &Span,
) -> Result<(), FilterError> {
    *counter += more;
    if *counter > limit {
        let kind = FilterErrorKind::TooLarge { limit, what };
        return Err(FilterError::new(kind, span.clone()));
    }
    Ok(())
}

impl<'d> Resolver<'d> {
    fn expr(&mut self, expr: &'d Expr) -> Result<Node, FilterError> {
        if self.levels == MAX_LEVELS {
            let kind = FilterErrorKind::TooDeep(MAX_LEVELS);
            return Err(FilterError::new(kind, expr.span.clone()));
        }
        self.levels += 1;
        let node = match &expr.kind {
            ExprKind::And(parts) => Node::And(self.parts(parts)?),
            ExprKind::Or(parts) => Node::Or(self.parts(parts)?),
            ExprKind::Not(inner) => Node::Not(Box::new(self.expr(inner)?)),
            ExprKind::Macro(name) => self.expand(name, &expr.span)?,
            ExprKind::Check(check) => {
                count(&mut self.checks, 1, MAX_CHECKS, "conditions", &expr.span)?;
                Node::Check(Box::new(self.check(check)?))
            }
        };
        self.levels -= 1;
        Ok(node)
    }

    fn parts(&mut self, parts: &'d [Expr]) -> Result<Vec<Node>, FilterError> {
        // A loop, because a chain of adapters takes several stack frames a level.
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            nodes.push(self.expr(part)?);
        }
        Ok(nodes)
    }

    fn expand(&mut self, name: &'d str, span: &Span) -> Result<Node, FilterError> {
        let definition = self.find(name, span)?;
        self.macros.push(name);
        let node = self.expr(&definition.expr);
        self.macros.pop();
        // The span of the inner error is in the macro's text.
        node.map_err(|inner| in_macro(name, &definition.text, inner, span))
    }

    fn find(&self, name: &str, span: &Span) -> Result<&'d Macro, FilterError> {
        let error = |kind| FilterError::new(kind, span.clone());
        let Some(definition) = self.definitions.find_macro(name) else {
            let unknown = error(FilterErrorKind::UnknownMacro(name.to_owned()));
            let known = self.definitions.macro_names();
            return Err(unknown
                .hint("conditions have the form `FIELD OPERATOR VALUE`, as in `proc.name = cat`")
                .suggest(name, known));
        };
        if self.macros.contains(&name) {
            return Err(error(FilterErrorKind::Recursive {
                what: "macro",
                name: name.to_owned(),
            }));
        }
        Ok(definition)
    }

    fn check(&mut self, check: &ast::Check) -> Result<Check, FilterError> {
        let left = operands::left(&check.left)?;
        let op = check.op;
        let refuse = |kind| Err(FilterError::new(kind, check.op_span.clone()));
        if let Some(field) = left.field()
            && field.info.flags.contains(FieldFlags::PRINT_ONLY)
        {
            let kind = FilterErrorKind::PrintOnly(field.info.name);
            return Err(FilterError::new(kind, check.left.span.clone()));
        }
        let role = left.field().map_or(Role::None, Field::role);
        let allowed = match role {
            Role::Around => &[Op::Eq],
            _ => left.ty.operators(),
        };
        if !allowed.contains(&op) {
            let kind = FilterErrorKind::OperatorNotAllowed {
                op: op.name(),
                what: left.ty.describe(),
            };
            let names: Vec<String> = allowed
                .iter()
                .map(|op| format!("`{}`", op.name()))
                .collect();
            return Err(FilterError::new(kind, check.op_span.clone())
                .hint(format!("what applies: {}", names.join(", "))));
        }
        let (quantifier, right) = match &check.right {
            ast::Right::Each(quantifier, values) => (Some(*quantifier), &**values),
            right => (None, right),
        };
        let right = match right {
            ast::Right::None => Right::None,
            ast::Right::Operand(operand) => {
                if matches!(op, Op::PMatch | Op::Regex) {
                    return refuse(FilterErrorKind::OperatorNeedsValues(op.name()));
                }
                Right::Operand(self.right_operand(&left, operand)?)
            }
            ast::Right::Value(value) => {
                let value = self.one_value(value)?;
                Right::Values(
                    quantifier,
                    self.read(&left, op, &[value], &check.left.span)?,
                )
            }
            ast::Right::List(values, _) => {
                let values = self.list(values)?;
                Right::Values(quantifier, self.read(&left, op, &values, &check.left.span)?)
            }
            ast::Right::Named(name) => {
                let values = self.named(name)?;
                Right::Values(quantifier, self.read(&left, op, &values, &check.left.span)?)
            }
            // The parser does not nest quantifiers.
            ast::Right::Each(..) => return refuse(FilterErrorKind::OperatorNeedsValues(op.name())),
        };
        let mut names = check.left.to_string();
        if let ast::Right::Operand(operand) = &check.right {
            names.push_str(&format!(" {operand}"));
        }
        Ok(Check {
            left,
            op,
            right,
            names,
        })
    }

    fn right_operand(&self, left: &Operand, ast: &ast::Operand) -> Result<Operand, FilterError> {
        let right = operands::right(ast)?;
        for operand in [left, &right] {
            if let Some(field) = operand.field()
                && (field.info.flags.contains(FieldFlags::NO_RHS)
                    && std::ptr::eq(operand, &raw const right)
                    || operand.ty.kind == Kind::Net
                    || operand.ty.dynamic)
            {
                let kind = FilterErrorKind::NoRightHandSide(field.info.name);
                return Err(FilterError::new(kind, ast.span.clone()));
            }
        }
        let types_differ = {
            let one = |ty: Ty| match ty.count {
                Count::Any => Ty::one(ty.kind),
                _ => ty,
            };
            right.ty.count == Count::Any || !one(left.ty).is_comparable(right.ty)
        };
        if types_differ {
            let kind = FilterErrorKind::TypesDiffer {
                left: left.ty.describe(),
                right: right.ty.describe(),
            };
            return Err(FilterError::new(kind, ast.span.clone()));
        }
        Ok(right)
    }

    /// Returns a single value; a list of one value is accepted.
    fn one_value(&self, literal: &Literal) -> Result<Literal, FilterError> {
        let Some(name) = self.definitions.list_name(literal) else {
            return Ok(literal.clone());
        };
        let mut values = Vec::new();
        self.definitions.expand(name, &literal.span, &mut values)?;
        let count = values.len();
        match values.pop() {
            Some(value) if count == 1 => Ok(value),
            _ => {
                let name = name.to_owned();
                let kind = FilterErrorKind::ListAsValue { name, count };
                Err(FilterError::new(kind, literal.span.clone())
                    .hint("lists are compared with `in`"))
            }
        }
    }

    fn list(&self, literals: &[Literal]) -> Result<Vec<Literal>, FilterError> {
        let mut values = Vec::with_capacity(literals.len());
        for literal in literals {
            match self.definitions.list_name(literal) {
                Some(name) => self.definitions.expand(name, &literal.span, &mut values)?,
                None => values.push(literal.clone()),
            }
        }
        Ok(values)
    }

    fn named(&self, literal: &Literal) -> Result<Vec<Literal>, FilterError> {
        let mut values = Vec::new();
        if let Some(name) = self.definitions.list_name(literal) {
            self.definitions.expand(name, &literal.span, &mut values)?;
            return Ok(values);
        }
        let name = String::from_utf8_lossy(&literal.bytes).into_owned();
        let hint = format!("values stand in brackets: `({literal})`");
        let known: Vec<&str> = self.definitions.list_names().collect();
        let error = FilterError::new(
            FilterErrorKind::UnknownList(name.clone()),
            literal.span.clone(),
        );
        Err(error.hint(hint).suggest(&name, known))
    }

    /// Parses values as the type of the left-hand side.
    fn read(
        &mut self,
        left: &Operand,
        op: Op,
        values: &[Literal],
        span: &Span,
    ) -> Result<Vec<Datum>, FilterError> {
        count(&mut self.values, values.len(), MAX_VALUES, "values", span)?;
        let role = left.field().map_or(Role::None, Field::role);
        let mut reading = Reading::new(left.field().map(|f| f.info), left.ty.kind);
        if reading.text && !op.is_ordering() && !matches!(op, Op::Eq | Op::Ne) {
            // `evt.time in (…)` and substring operators compare text.
            reading = Reading::default();
        }
        if matches!(op, Op::In | Op::Intersects) {
            reading.time_of_day = false;
        }
        let mut data = Vec::with_capacity(values.len());
        for value in values {
            if op == Op::Regex {
                count(
                    &mut self.regexes,
                    1,
                    MAX_REGEXES,
                    "regular expressions",
                    span,
                )?;
                data.push(Datum::Regex(regex(value)?));
                continue;
            }
            if matches!(op, Op::BContains | Op::BStartsWith) {
                data.push(Datum::Bytes(hexadecimal(value)?));
                continue;
            }
            let names_types = matches!(role, Role::EventType | Role::SyscallType);
            if names_types && (op == Op::Ne || is_equality(op)) {
                check_event_type(value)?;
            }
            let datum = literal::read(value, left.ty, reading)?;
            if reading.text && op.is_ordering() && !matches!(datum, Datum::TimeLiteral(_)) {
                return Err(invalid(value, "time")
                    .hint("for example `2026-11-24 03:12:01.5` in quotes, or `03:12`"));
            }
            if left.ty.kind == Kind::Uint
                && !left.ty.dynamic
                && (op == Op::Ne || is_equality(op))
                && let Datum::Num(n) = datum
                && n < 0
            {
                // In C a negative number converts to a large unsigned one of the field's width:
                // fields use -1 for "none".
                data.push(Datum::Num(n & i128::from(u64::MAX)));
                data.push(Datum::Num(n & i128::from(u32::MAX)));
            }
            data.push(datum);
        }
        Ok(data)
    }
}

fn in_macro(name: &str, text: &str, error: FilterError, span: &Span) -> FilterError {
    let kind = FilterErrorKind::InMacro {
        name: name.to_owned(),
        text: text.to_owned(),
        error: Box::new(error),
    };
    FilterError::new(kind, span.clone())
}

fn is_equality(op: Op) -> bool {
    matches!(op, Op::Eq | Op::In | Op::Intersects)
}

fn invalid(literal: &Literal, expected: &'static str) -> FilterError {
    let value = String::from_utf8_lossy(&literal.bytes).into_owned();
    FilterError::new(
        FilterErrorKind::InvalidValue { value, expected },
        literal.span.clone(),
    )
}

fn check_event_type(literal: &Literal) -> Result<(), FilterError> {
    let name = String::from_utf8_lossy(&literal.bytes);
    if typeset::is_type_name(&name) {
        return Ok(());
    }
    let kind = FilterErrorKind::UnknownEventType(name.clone().into_owned());
    Err(FilterError::new(kind, literal.span.clone()).suggest(&name, typeset::type_names()))
}

fn hexadecimal(literal: &Literal) -> Result<Box<[u8]>, FilterError> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let (pairs, rest) = literal.bytes.as_chunks::<2>();
    let bytes: Option<Box<[u8]>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect();
    match bytes {
        Some(bytes) if rest.is_empty() => Ok(bytes),
        _ => Err(invalid(literal, "bytes in hexadecimal").hint("two digits a byte: `6c6c6f`")),
    }
}

fn regex(literal: &Literal) -> Result<regex::bytes::Regex, FilterError> {
    let bad = |error: String| FilterError::new(FilterErrorKind::Regex(error), literal.span.clone());
    let Ok(pattern) = std::str::from_utf8(&literal.bytes) else {
        return Err(bad("not UTF-8".to_owned()));
    };
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(REGEX_SIZE)
            .dfa_size_limit(REGEX_SIZE)
            .build()
    };
    // The pattern alone is compiled first, so that `a)|(b` is an error and does not split the
    // anchors.
    let whole = build(pattern).and_then(|_| build(&format!(r"\A(?:{pattern})\z")));
    whole.map_err(|error| {
        bad(match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            // The last line is the message, the lines before it show the position.
            error => {
                let text = error.to_string();
                let line = text.lines().last().unwrap_or_default();
                line.trim_start_matches("error: ").to_owned()
            }
        })
    })
}

/// Makes an error of a failed lookup.
pub(super) fn lookup_error(error: LookupError, span: Span) -> FilterError {
    let hint = match &error {
        LookupError::Unknown { .. } => did_you_mean(&error.similar()),
        LookupError::ArgumentMissing { field, form } => Some(match form {
            ArgForm::Index | ArgForm::OptIndex => format!("for example `{field}[1]`"),
            _ => format!("for example `{field}.name` or `{field}[0]`"),
        }),
        _ => None,
    };
    let error = FilterError::new(FilterErrorKind::Field(error), span);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
