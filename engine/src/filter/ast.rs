//! The syntax tree of a filter: names are not looked up, types are not checked.
//!
//! Every node has the span of the text it was parsed from. [`fmt::Display`] prints text that parses
//! to the same tree.

use std::fmt;
use std::ops::Range;

use crate::event::text;

/// A range of bytes of the text.
pub type Span = Range<usize>;

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// The kind of condition.
    pub kind: ExprKind,
    /// Its span in the text.
    pub span: Span,
}

/// Kinds of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// True if all conditions are true; two or more.
    And(Vec<Expr>),
    /// True if any condition is true; two or more.
    Or(Vec<Expr>),
    /// True if the condition is false.
    Not(Box<Expr>),
    /// The condition of the named macro.
    Macro(String),
    /// A comparison.
    Check(Box<Check>),
}

/// `left operator right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The left-hand side.
    pub left: Operand,
    /// The operator.
    pub op: Op,
    /// The span of the operator.
    pub op_span: Span,
    /// The right-hand side.
    pub right: Right,
}

/// Returns the text of a condition: a field, an operator and a value, quoted if necessary.
pub fn condition(field: &str, op: Op, value: &[u8]) -> String {
    format!("{field} {} {}", op.name(), written(value))
}

/// Returns a value as it is written in a condition, quoted if necessary.
pub fn written(value: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b':');
    let is_word = value.iter().all(plain)
        && value
            .first()
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-'));
    let is_quantifier =
        std::str::from_utf8(value).is_ok_and(|v| Quantifier::from_name(v).is_some());
    let literal = Literal {
        bytes: value.into(),
        quoted: !is_word || is_quantifier,
        span: 0..0,
    };
    literal.to_string()
}

/// A field or transformer, which has a value in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operand {
    /// The kind of operand.
    pub kind: OperandKind,
    /// Its span in the text.
    pub span: Span,
}

/// Kinds of operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperandKind {
    /// A field with its argument, as written: `proc.aname[2]`.
    Field(String),
    /// `name(a, b)[index]`; also `val(field)`.
    Call(Call),
}

/// A transformer call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The transformer.
    pub name: String,
    /// The span of its name.
    pub name_span: Span,
    /// Its arguments.
    pub args: Vec<Arg>,
    /// The index in brackets after the call.
    pub index: Option<Literal>,
}

/// An argument of a transformer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A field or a transformer.
    Operand(Operand),
    /// A quoted text, or a number.
    Literal(Literal),
    /// A list in brackets.
    List(Vec<Self>, Span),
}

/// The right-hand side of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// No value: `exists`.
    None,
    /// One value.
    Value(Literal),
    /// Values in brackets.
    List(Vec<Literal>, Span),
    /// A list by name.
    Named(Literal),
    /// The value of a field: `val(field)`, or a transformer.
    Operand(Operand),
    /// `anyof`, `allof` or `oneof`, with a list or the name of a list.
    Each(Quantifier, Box<Self>),
}

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The text without quotes and escapes; any bytes but NUL.
    pub bytes: Box<[u8]>,
    /// True if the value was quoted.
    pub quoted: bool,
    /// Its span in the text, quotes included.
    pub span: Span,
}

/// How many of the listed values must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// Exactly one.
    One,
    /// At least one.
    Any,
    /// All.
    All,
}

impl Quantifier {
    /// Returns the spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "oneof",
            Self::Any => "anyof",
            Self::All => "allof",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::One, Self::Any, Self::All]
            .into_iter()
            .find(|q| q.name() == name)
    }
}

macro_rules! operators {
    ($($variant:ident $text:literal $doc:literal,)*) => {
        /// An operator.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $(#[doc = $doc] $variant,)*
        }

        impl Op {
            /// All operators.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the spelling.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

operators! {
    Eq "=" "Equal; also written `==`.",
    Ne "!=" "Not equal.",
    Lt "<" "Less.",
    Le "<=" "Less or equal.",
    Gt ">" "Greater.",
    Ge ">=" "Greater or equal.",
    In "in" "Equal to one of the values.",
    Intersects "intersects" "At least one item is one of the values.",
    Exists "exists" "The field has a value.",
    Contains "contains" "Contains the text.",
    IContains "icontains" "Contains the text, ignoring case.",
    BContains "bcontains" "Contains the bytes, given in hexadecimal.",
    StartsWith "startswith" "Starts with the text.",
    BStartsWith "bstartswith" "Starts with the bytes, given in hexadecimal.",
    EndsWith "endswith" "Ends with the text.",
    Glob "glob" "Matches the shell pattern.",
    IGlob "iglob" "Matches the shell pattern, ignoring case.",
    Regex "regex" "Matches the regular expression as a whole.",
    PMatch "pmatch" "Is one of the paths or below one of them.",
}

impl Op {
    /// Returns the operator with this spelling.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|op| op.is_word() && op.name() == word)
    }

    /// Returns true if the operator is spelled with letters.
    pub fn is_word(self) -> bool {
        self.name().starts_with(|c: char| c.is_ascii_alphabetic())
    }

    /// Returns true if the operator takes a list.
    pub fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::Intersects | Self::PMatch)
    }

    /// Returns true if the operator compares order.
    pub fn is_ordering(self) -> bool {
        matches!(self, Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// Returns true if `anyof`, `allof` or `oneof` can follow.
    pub fn takes_quantifier(self) -> bool {
        !self.takes_list() && !self.is_ordering() && self != Self::Exists
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                part.nested(f, false)?;
            }
            Ok(())
        };
        match &self.kind {
            ExprKind::And(parts) => joined(f, parts, "and"),
            ExprKind::Or(parts) => joined(f, parts, "or"),
            ExprKind::Not(inner) => {
                f.write_str("not ")?;
                inner.nested(f, true)
            }
            ExprKind::Macro(name) => f.write_str(name),
            ExprKind::Check(check) => check.fmt(f),
        }
    }
}

impl Expr {
    fn nested(&self, f: &mut fmt::Formatter<'_>, in_not: bool) -> fmt::Result {
        match self.kind {
            ExprKind::And(_) | ExprKind::Or(_) => write!(f, "({self})"),
            ExprKind::Not(_) if in_not => write!(f, "({self})"),
            _ => write!(f, "{self}"),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.left, self.op.name())?;
        match &self.right {
            Right::None => Ok(()),
            right => write!(f, " {right}"),
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            OperandKind::Field(name) => f.write_str(name),
            OperandKind::Call(call) => {
                write!(f, "{}({})", call.name, Commas(&call.args))?;
                match &call.index {
                    Some(index) => write!(f, "[{index}]"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operand(operand) => operand.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
            Self::List(args, _) => write!(f, "({})", Commas(args)),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Value(value) | Self::Named(value) => value.fmt(f),
            Self::List(values, _) => write!(f, "({})", Commas(values)),
            Self::Operand(operand) => operand.fmt(f),
            Self::Each(quantifier, values) => write!(f, "{} {values}", quantifier.name()),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.quoted {
            // Bare values come from the text of the filter, so they are UTF-8.
            return f.write_str(&String::from_utf8_lossy(&self.bytes));
        }
        f.write_str("\"")?;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    // The escape parses to the same bytes and is safe to print.
                    c if text::is_unsafe(c) => {
                        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str("\"")
    }
}

struct Commas<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            part.fmt(f)?;
        }
        Ok(())
    }
}
