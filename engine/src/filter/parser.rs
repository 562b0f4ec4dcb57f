//! Parser: from text to syntax tree.
//!
//! | production | |
//! | --- | --- |
//! | expr | and { `or` and } |
//! | and | not { `and` not } |
//! | not | { `not` } check |
//! | check | `(` expr `)` \| operand condition \| macro |
//! | operand | field \| name `(` arg { `,` arg } `)` [ `[` index `]` ] |
//! | arg | operand \| quoted \| number \| `(` arg { `,` arg } `)` |
//! | condition | `exists` \| op right |
//! | right | value \| operand \| list \| (`anyof` \| `allof` \| `oneof`) list |
//! | list | `(` [ value { `,` value } ] `)` \| name |
//!
//! A word ends at the first character of another class; `and`, `or` and `not` have to be followed
//! by a space or a bracket.

use super::ast::{
    Arg, Call, Check, Expr, ExprKind, Literal, Op, Operand, OperandKind, Quantifier, Right,
};
use super::error::{FilterError, FilterErrorKind};
use super::lexer::Lexer;
use crate::event::suggest::{did_you_mean, similar};
use crate::fields;

/// Limit of nested brackets and transformers.
pub const MAX_DEPTH: usize = 100;

/// Parses a filter; names and types are not checked.
///
/// # Errors
///
/// [`FilterError`], with the position in the text.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        depth: 0,
    };
    parser.lexer.skip_blanks();
    if parser.lexer.is_end() {
        return Err(FilterError::new(FilterErrorKind::Empty, 0..text.len()));
    }
    let expr = parser.expr()?;
    if parser.lexer.is_end() {
        Ok(expr)
    } else {
        Err(parser.trailing())
    }
}

/// Parses the field or transformer at the start of a text; returns it with the offset of its end.
///
/// # Errors
///
/// As [`parse`].
pub(super) fn parse_operand(text: &str) -> Result<(Operand, usize), FilterError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        depth: 0,
    };
    match parser.operand()? {
        Some(operand) => Ok((operand, parser.lexer.at())),
        None => Err(parser.lexer.expected("a field or a transformer")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn expr(&mut self) -> Result<Expr, FilterError> {
        self.joined("or", ExprKind::Or, |p| {
            p.joined("and", ExprKind::And, Self::negation)
        })
    }

    /// Parses conditions joined by a keyword.
    fn joined(
        &mut self,
        word: &str,
        join: fn(Vec<Expr>) -> ExprKind,
        part: impl Fn(&mut Self) -> Result<Expr, FilterError>,
    ) -> Result<Expr, FilterError> {
        let first = part(self)?;
        self.lexer.skip_blanks();
        if !self.lexer.take_keyword(word) {
            return Ok(first);
        }
        let start = first.span.start;
        let mut parts = vec![first];
        loop {
            parts.push(part(self)?);
            self.lexer.skip_blanks();
            if !self.lexer.take_keyword(word) {
                break;
            }
        }
        let end = parts.last().map_or(start, |p| p.span.end);
        Ok(Expr {
            kind: join(parts),
            span: start..end,
        })
    }

    fn negation(&mut self) -> Result<Expr, FilterError> {
        self.lexer.skip_blanks();
        let start = self.lexer.at();
        let mut negated = false;
        while self.lexer.take_keyword("not") {
            negated = !negated;
            self.lexer.skip_blanks();
        }
        let inner = self.check()?;
        if !negated {
            return Ok(inner);
        }
        let span = start..inner.span.end;
        Ok(Expr {
            kind: ExprKind::Not(Box::new(inner)),
            span,
        })
    }

    /// Runs `inner` one nesting level deeper.
    fn nested<T>(
        &mut self,
        start: usize,
        inner: impl FnOnce(&mut Self) -> Result<T, FilterError>,
    ) -> Result<T, FilterError> {
        if self.depth == MAX_DEPTH {
            let kind = FilterErrorKind::TooDeep(MAX_DEPTH);
            return Err(FilterError::new(kind, start..start + 1));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn check(&mut self) -> Result<Expr, FilterError> {
        const CHECK: &str = "a field, a macro or `(`";
        let start = self.lexer.at();
        if self.lexer.take("(") {
            let mut inner = self.nested(start, Self::expr)?;
            self.close(start)?;
            inner.span = start..self.lexer.at();
            return Ok(inner);
        }
        let Some(name) = self.lexer.peek_name() else {
            let error = self.lexer.expected(CHECK);
            return Err(match self.lexer.peek() {
                Some(b'!') => error.hint("negation is written `not`"),
                _ => error,
            });
        };
        if matches!(name, "and" | "or" | "not") && !self.lexer.rest()[name.len()..].starts_with('.')
        {
            return Err(self.lexer.expected(CHECK));
        }
        match self.operand()? {
            Some(left) => {
                let check = self.condition(left)?;
                Ok(Expr {
                    span: start..self.lexer.at(),
                    kind: ExprKind::Check(Box::new(check)),
                })
            }
            None => {
                self.lexer.skip(name.len());
                let span = start..self.lexer.at();
                self.refuse_condition(name, &span)?;
                Ok(Expr {
                    kind: ExprKind::Macro(name.to_owned()),
                    span,
                })
            }
        }
    }

    /// A name followed by an operator was probably meant as a field.
    fn refuse_condition(
        &self,
        name: &str,
        span: &std::ops::Range<usize>,
    ) -> Result<(), FilterError> {
        let mut ahead = self.lexer.clone();
        ahead.skip_blanks();
        let symbol = ahead.rest().starts_with(['=', '!', '<', '>']);
        let word = ahead
            .peek_name()
            .is_some_and(|w| Op::from_word(w).is_some());
        if !symbol && !word {
            return Ok(());
        }
        let mut same: Vec<&str> = fields::all()
            .map(|f| f.name)
            .filter(|f| f.rsplit('.').next() == Some(name))
            .collect();
        same.sort_by_key(|f| f.len());
        same.truncate(3);
        let error = FilterError::new(FilterErrorKind::NoClass(name.to_owned()), span.clone());
        Err(match did_you_mean(&same) {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    /// Parses a field or a transformer call, if one is next; a name alone is neither.
    fn operand(&mut self) -> Result<Option<Operand>, FilterError> {
        let Some(name) = self.lexer.peek_name() else {
            return Ok(None);
        };
        match self.lexer.rest().as_bytes().get(name.len()) {
            Some(b'.') => {
                let (text, span) = self.lexer.take_field()?;
                let kind = OperandKind::Field(text.to_owned());
                Ok(Some(Operand { kind, span }))
            }
            Some(b'(') => {
                let start = self.lexer.at();
                self.nested(start, |p| p.call(name)).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn call(&mut self, name: &str) -> Result<Operand, FilterError> {
        let start = self.lexer.at();
        self.lexer.skip(name.len());
        let name_span = start..self.lexer.at();
        let open = self.lexer.at();
        self.lexer.skip(1);
        let args = self.args(open)?;
        let index = if self.lexer.peek() == Some(b'[') {
            let open = self.lexer.at();
            self.lexer.skip(1);
            Some(self.lexer.take_index(open)?)
        } else {
            None
        };
        Ok(Operand {
            kind: OperandKind::Call(Call {
                name: name.to_owned(),
                name_span,
                args,
                index,
            }),
            span: start..self.lexer.at(),
        })
    }

    /// Parses arguments up to the closing bracket; the opening bracket, at `open`, is already
    /// consumed.
    fn args(&mut self, open: usize) -> Result<Vec<Arg>, FilterError> {
        self.items(open, |parser| {
            let start = parser.lexer.at();
            if parser.lexer.take("(") {
                let args = parser.nested(start, |p| p.args(start))?;
                return Ok(Arg::List(args, start..parser.lexer.at()));
            }
            if let Some(operand) = parser.operand()? {
                return Ok(Arg::Operand(operand));
            }
            match parser.lexer.peek() {
                Some(b'"' | b'\'') => Ok(Arg::Literal(parser.lexer.take_quoted()?)),
                Some(b'0'..=b'9' | b'+' | b'-') => Ok(Arg::Literal(parser.lexer.take_value()?)),
                _ => {
                    let error = parser
                        .lexer
                        .expected("a field, a transformer, a number or a quoted text");
                    Err(match parser.lexer.peek_bare() {
                        "" => error,
                        _ => error.hint("texts are quoted here: `\"text\"`"),
                    })
                }
            }
        })
    }

    /// Parses comma-separated items up to the closing bracket.
    fn items<T>(
        &mut self,
        open: usize,
        item: impl Fn(&mut Self) -> Result<T, FilterError>,
    ) -> Result<Vec<T>, FilterError> {
        let mut items = Vec::new();
        self.lexer.skip_blanks();
        if self.lexer.take(")") {
            return Ok(items);
        }
        loop {
            self.lexer.skip_blanks();
            if self.lexer.is_end() {
                return Err(unclosed(open));
            }
            items.push(item(self)?);
            self.lexer.skip_blanks();
            if self.lexer.take(")") {
                return Ok(items);
            }
            if self.lexer.is_end() {
                return Err(unclosed(open));
            }
            if !self.lexer.take(",") {
                return Err(self.lexer.expected("`,` or `)`"));
            }
        }
    }

    fn close(&mut self, open: usize) -> Result<(), FilterError> {
        self.lexer.skip_blanks();
        if self.lexer.take(")") {
            Ok(())
        } else if self.lexer.is_end() {
            Err(unclosed(open))
        } else {
            Err(self.tail("`and`, `or` or `)`"))
        }
    }

    fn condition(&mut self, left: Operand) -> Result<Check, FilterError> {
        self.lexer.skip_blanks();
        let start = self.lexer.at();
        let op = self.operator()?;
        let op_span = start..self.lexer.at();
        self.lexer.skip_blanks();
        let right = if op == Op::Exists {
            Right::None
        } else if op.takes_list() {
            self.list(true)?
        } else {
            match self.quantifier(op) {
                Some(quantifier) => Right::Each(quantifier, Box::new(self.list(false)?)),
                None => self.value()?,
            }
        };
        Ok(Check {
            left,
            op,
            op_span,
            right,
        })
    }

    fn operator(&mut self) -> Result<Op, FilterError> {
        const SYMBOLS: &[(&str, Op)] = &[
            ("<=", Op::Le),
            ("<", Op::Lt),
            (">=", Op::Ge),
            (">", Op::Gt),
            ("==", Op::Eq),
            ("=", Op::Eq),
            ("!=", Op::Ne),
        ];
        // Operators of other languages, with their equivalents here.
        const FOREIGN: &[(&str, &str)] = &[
            ("<>", "it is written `!=`"),
            ("~", "a regular expression is matched with `regex`"),
            ("!~", "write `not FIELD regex PATTERN`"),
            ("matches", "a regular expression is matched with `regex`"),
            ("like", "a pattern is matched with `glob`"),
            ("eq", "it is written `=`"),
            ("is", "it is written `=`"),
            ("ne", "it is written `!=`"),
            ("gt", "it is written `>`"),
            ("ge", "it is written `>=`"),
            ("lt", "it is written `<`"),
            ("le", "it is written `<=`"),
            (
                "not",
                "`not` stands before the field: `not proc.name in (a, b)`",
            ),
        ];
        let rest = self.lexer.rest();
        let foreign = |text: &str| {
            FOREIGN
                .iter()
                .find(|(name, _)| *name == text)
                .map(|(_, hint)| *hint)
        };
        let unknown = |text: &str| {
            let start = self.lexer.at();
            let span = start..start + text.len();
            FilterError::new(FilterErrorKind::UnknownOperator(text.to_owned()), span)
        };
        if let Some(word) = self.lexer.peek_name() {
            return match Op::from_word(word) {
                Some(op) => {
                    self.lexer.skip(word.len());
                    Ok(op)
                }
                None if matches!(word, "and" | "or") => Err(self.no_operator()),
                None => Err(match foreign(word) {
                    Some(hint) => unknown(word).hint(hint),
                    None => unknown(word).suggest(word, Op::ALL.iter().map(|op| op.name())),
                }),
            };
        }
        for text in ["!~", "<>", "~"] {
            if rest.starts_with(text) {
                return Err(unknown(text).hint(foreign(text).unwrap_or_default()));
            }
        }
        for (text, op) in SYMBOLS {
            if self.lexer.take(text) {
                return Ok(*op);
            }
        }
        Err(self.no_operator())
    }

    fn no_operator(&self) -> FilterError {
        self.lexer
            .expected("an operator")
            .hint("a field alone is not a condition; `exists` is true if it has a value")
    }

    /// Consumes a quantifier if one is next; without a list after it, the word is a value.
    fn quantifier(&mut self, op: Op) -> Option<Quantifier> {
        if !op.takes_quantifier() {
            return None;
        }
        let word = self.lexer.peek_name()?;
        let quantifier = Quantifier::from_name(word)?;
        let mut ahead = self.lexer.clone();
        ahead.skip(word.len());
        let after = ahead.at();
        ahead.skip_blanks();
        let list = ahead.peek() == Some(b'(')
            || (ahead.at() > after
                && ahead
                    .peek_name()
                    .is_some_and(|name| !matches!(name, "and" | "or")));
        if !list {
            return None;
        }
        self.lexer = ahead;
        Some(quantifier)
    }

    fn value(&mut self) -> Result<Right, FilterError> {
        if let Some(call) = self.right_call()? {
            return Ok(Right::Operand(call));
        }
        if self.lexer.peek() == Some(b'(') {
            return Err(self
                .lexer
                .expected("a value")
                .hint("several values are compared with `in` or `anyof`"));
        }
        self.lexer.take_value().map(Right::Value)
    }

    /// Parses a transformer call or `val(…)`, if one is next.
    fn right_call(&mut self) -> Result<Option<Operand>, FilterError> {
        let bare = self.lexer.peek_bare();
        if self.lexer.peek_name() != Some(bare) || !self.lexer.rest()[bare.len()..].starts_with('(')
        {
            return Ok(None);
        }
        self.operand()
    }

    fn list(&mut self, or_operand: bool) -> Result<Right, FilterError> {
        let start = self.lexer.at();
        if self.lexer.take("(") {
            let values = self.items(start, |p| p.lexer.take_value())?;
            return Ok(Right::List(values, start..self.lexer.at()));
        }
        if or_operand && let Some(call) = self.right_call()? {
            return Ok(Right::Operand(call));
        }
        let bare = self.lexer.peek_bare();
        if bare.is_empty() || matches!(bare, "and" | "or") {
            return Err(self
                .lexer
                .expected("values in brackets")
                .hint("for example `in (a, b)`"));
        }
        let name: Literal = self.lexer.take_value()?;
        if self.lexer.peek() == Some(b',') {
            return Err(self
                .lexer
                .expected("`and`, `or` or the end")
                .hint("several values stand in brackets: `(a, b)`"));
        }
        Ok(Right::Named(name))
    }

    fn trailing(&self) -> FilterError {
        match self.lexer.peek() {
            Some(b')') => FilterError::new(
                FilterErrorKind::Expected {
                    expected: "`and`, `or` or the end",
                    found: "`)`".to_owned(),
                },
                self.lexer.at()..self.lexer.at() + 1,
            )
            .hint("no bracket is open"),
            _ => self.tail("`and`, `or` or the end"),
        }
    }

    fn tail(&self, expected: &'static str) -> FilterError {
        let error = self.lexer.expected(expected);
        let rest = self.lexer.rest();
        let before = self.lexer.text()[..self.lexer.at()].trim_end();
        if before.ends_with("=~") {
            // `=~x` compares with the text `~x`; it is an error only with a space before `~`.
            error.hint("a regular expression is matched with `regex`")
        } else if rest.starts_with("&&") {
            error.hint("write `and`")
        } else if rest.starts_with("||") {
            error.hint("write `or`")
        } else if rest.starts_with('"') || rest.starts_with('\'') || rest.starts_with('=') {
            error.hint(
                "a value with `=`, `,`, brackets, quotes or blanks in it is quoted as a whole",
            )
        } else if let Some(word) = self.lexer.peek_name()
            && !before.is_empty()
            && word.len() > 1
        {
            match similar(word, ["and", "or"]).first() {
                Some(known) if *known != word => error.hint(format!("did you mean `{known}`?")),
                _ => error.hint("a value with blanks in it is quoted: `\"a b\"`"),
            }
        } else {
            error
        }
    }
}

fn unclosed(open: usize) -> FilterError {
    FilterError::new(FilterErrorKind::UnclosedBracket, open..open + 1)
}
