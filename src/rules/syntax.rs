//! Walks the syntax tree of a condition, with its macros expanded.

use std::collections::BTreeMap;

use crate::filter::ast::{Arg, Check, Expr, ExprKind, Literal, Operand, OperandKind, Right};

/// A macro that was compiled.
#[derive(Clone, Debug)]
pub(super) struct MacroTree {
    pub(super) expr: Expr,
}

/// Macros by name.
pub(super) type Macros = BTreeMap<String, MacroTree>;

/// Calls `see` with the name of every macro that a condition mentions itself, with its span.
pub(super) fn each_macro<'e>(expr: &'e Expr, see: &mut dyn FnMut(&'e str, &'e Expr)) {
    match &expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            parts.iter().for_each(|part| each_macro(part, see));
        }
        ExprKind::Not(inner) => each_macro(inner, see),
        ExprKind::Macro(name) => see(name, expr),
        ExprKind::Check(_) => {}
    }
}

/// Calls `see` once for every comparison of a condition and of the macros that it uses, with whether it is the condition's
/// own: what a macro says has its place in another text.
pub(super) fn each_check<'e>(
    expr: &'e Expr,
    macros: &'e Macros,
    seen: &mut Vec<&'e str>,
    see: &mut dyn FnMut(&'e Check, bool),
) {
    within(expr, macros, seen, see, true);
}

fn within<'e>(
    expr: &'e Expr,
    macros: &'e Macros,
    seen: &mut Vec<&'e str>,
    see: &mut dyn FnMut(&'e Check, bool),
    is_own: bool,
) {
    match &expr.kind {
        ExprKind::And(parts) | ExprKind::Or(parts) => {
            for part in parts {
                within(part, macros, seen, see, is_own);
            }
        }
        ExprKind::Not(inner) => within(inner, macros, seen, see, is_own),
        ExprKind::Check(check) => see(check, is_own),
        ExprKind::Macro(name) => {
            if !seen.contains(&&**name) {
                seen.push(name);
                if let Some(tree) = macros.get(name) {
                    within(&tree.expr, macros, seen, see, false);
                }
            }
        }
    }
}

/// Calls `see` with every field of a comparison, as it was written.
pub(super) fn each_field<'e>(check: &'e Check, see: &mut dyn FnMut(&'e str)) {
    operand(&check.left, see);
    right(&check.right, see);
}

fn operand<'e>(of: &'e Operand, see: &mut dyn FnMut(&'e str)) {
    match &of.kind {
        OperandKind::Field(name) => see(name),
        OperandKind::Call(call) => call.args.iter().for_each(|arg| argument(arg, see)),
    }
}

fn argument<'e>(arg: &'e Arg, see: &mut dyn FnMut(&'e str)) {
    match arg {
        Arg::Operand(inner) => operand(inner, see),
        Arg::List(args, _) => args.iter().for_each(|arg| argument(arg, see)),
        Arg::Literal(_) => {}
    }
}

fn right<'e>(of: &'e Right, see: &mut dyn FnMut(&'e str)) {
    match of {
        Right::Operand(inner) => operand(inner, see),
        Right::Each(_, inner) => right(inner, see),
        _ => {}
    }
}

/// Returns the values that a comparison is with.
pub(super) fn literals(check: &Check) -> &[Literal] {
    fn of(right: &Right) -> &[Literal] {
        match right {
            Right::Value(value) | Right::Named(value) => std::slice::from_ref(value),
            Right::List(values, _) => values,
            Right::Each(_, inner) => of(inner),
            Right::None | Right::Operand(_) => &[],
        }
    }
    of(&check.right)
}
