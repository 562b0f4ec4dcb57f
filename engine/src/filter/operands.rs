//! Resolution of fields and transformers of a comparison.

use super::ast::{self, Arg, Call, OperandKind as AstKind};
use super::error::{FilterError, FilterErrorKind};
use super::resolve::lookup_error;
use super::transform::{Getopt, Item, Map, Operand, OperandKind};
use super::types::{Count, Kind, Ty};
use crate::fields::{self, FieldFlags};

/// Names of all transformers.
const TRANSFORMERS: &[&str] = &[
    "tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt", "val",
];

/// Resolves a left-hand side.
pub(super) fn left(ast: &ast::Operand) -> Result<Operand, FilterError> {
    if let AstKind::Call(call) = &ast.kind
        && call.name == "val"
    {
        return Err(arguments(call, "val", "is for the right-hand side"));
    }
    operand(ast)
}

/// Resolves a right-hand side: `val(field)` or a transformer.
pub(super) fn right(ast: &ast::Operand) -> Result<Operand, FilterError> {
    match &ast.kind {
        AstKind::Call(call) if call.name == "val" => match &*call.args {
            [Arg::Operand(inner)]
                if matches!(inner.kind, AstKind::Field(_)) && call.index.is_none() =>
            {
                operand(inner)
            }
            _ => Err(arguments(call, "val", "takes one field")),
        },
        _ => operand(ast),
    }
}

/// Resolves a field or a transformer, also for output formats.
fn operand(ast: &ast::Operand) -> Result<Operand, FilterError> {
    match &ast.kind {
        AstKind::Field(text) => {
            let field = fields::lookup(text).map_err(|e| lookup_error(e, ast.span.clone()))?;
            let ty = Ty::of(&field);
            Ok(Operand::new(OperandKind::Field(field), ty))
        }
        AstKind::Call(call) => transformer(call),
    }
}

fn arguments(call: &Call, name: &'static str, problem: &'static str) -> FilterError {
    let kind = FilterErrorKind::TransformerArguments { name, problem };
    FilterError::new(kind, call.name_span.clone())
}

fn transformer(call: &Call) -> Result<Operand, FilterError> {
    if call.index.is_some() && call.name != "getopt" {
        let known = TRANSFORMERS.iter().find(|t| **t == call.name);
        if let Some(name) = known {
            return Err(arguments(call, name, "takes nothing in brackets after it"));
        }
    }
    match &*call.name {
        "tolower" => map(call, Map::ToLower),
        "toupper" => map(call, Map::ToUpper),
        "b64" => map(call, Map::B64),
        "basename" => map(call, Map::Basename),
        "len" => {
            let inner = single(call, "len")?;
            let text = matches!(inner.ty.kind, Kind::Text | Kind::Bytes);
            if !text && inner.ty.count != Count::List {
                return Err(arguments(
                    call,
                    "len",
                    "applies to texts, buffers and lists",
                ));
            }
            let count = match inner.ty.count {
                Count::Any => Count::Any,
                _ => Count::One,
            };
            let ty = Ty {
                count,
                ..Ty::one(Kind::Uint)
            };
            Ok(Operand::new(OperandKind::Len(Box::new(inner)), ty))
        }
        "join" => join(call),
        "concat" => concat(call),
        "getopt" => getopt(call),
        "val" => Err(arguments(call, "val", "is for the right-hand side")),
        name => {
            let kind = FilterErrorKind::UnknownTransformer(name.to_owned());
            Err(FilterError::new(kind, call.name_span.clone())
                .suggest(name, TRANSFORMERS.iter().copied()))
        }
    }
}

/// Resolves the operand of a transformer.
fn inner(ast: &ast::Operand) -> Result<Operand, FilterError> {
    let operand = operand(ast)?;
    match operand.field() {
        Some(field) if field.info.flags.contains(FieldFlags::NO_TRANSFORMER) => {
            let kind = FilterErrorKind::NoTransformer(field.info.name);
            Err(FilterError::new(kind, ast.span.clone()))
        }
        _ => Ok(operand),
    }
}

fn single(call: &Call, name: &'static str) -> Result<Operand, FilterError> {
    match &*call.args {
        [Arg::Operand(operand)] => inner(operand),
        _ => Err(arguments(call, name, "takes one field")),
    }
}

fn map(call: &Call, map: Map) -> Result<Operand, FilterError> {
    let inner = single(call, map.name())?;
    if !map.applies_to(inner.ty.kind) {
        return Err(arguments(call, map.name(), "applies to texts"));
    }
    let ty = inner.ty;
    Ok(Operand::new(OperandKind::Map(map, Box::new(inner)), ty))
}

/// Resolves an item of a join: a text or a list of texts.
fn item(arg: &Arg, list: bool) -> Result<Option<Item>, FilterError> {
    Ok(match arg {
        Arg::Literal(literal) => Some(Item::Literal(literal.bytes.clone())),
        Arg::Operand(operand) => {
            let operand = inner(operand)?;
            let fits = operand.ty.kind == Kind::Text
                && (operand.ty.count == Count::One || list && operand.ty.count == Count::List);
            fits.then_some(Item::Operand(operand))
        }
        Arg::List(..) => None,
    })
}

/// Resolves a list argument: the items in brackets, or a single one.
fn items(arg: &Arg) -> Result<Option<Vec<Item>>, FilterError> {
    let args = match arg {
        Arg::List(args, _) => &args[..],
        arg => std::slice::from_ref(arg),
    };
    args.iter().map(|arg| item(arg, true)).collect()
}

fn join(call: &Call) -> Result<Operand, FilterError> {
    let wrong = || {
        arguments(
            call,
            "join",
            "takes a quoted separator and texts: `join(\",\", (a.b, c.d))`",
        )
    };
    let [Arg::Literal(separator), list] = &*call.args else {
        return Err(wrong());
    };
    let parts = items(list)?.ok_or_else(wrong)?;
    let kind = OperandKind::Join(separator.bytes.clone(), parts);
    Ok(Operand::new(kind, Ty::one(Kind::Text)))
}

fn concat(call: &Call) -> Result<Operand, FilterError> {
    let wrong = || arguments(call, "concat", "takes two texts or more");
    let parts: Option<Vec<Item>> = call
        .args
        .iter()
        .map(|arg| item(arg, false))
        .collect::<Result<_, _>>()?;
    let parts = parts.filter(|parts| parts.len() > 1).ok_or_else(wrong)?;
    Ok(Operand::new(
        OperandKind::Concat(parts),
        Ty::one(Kind::Text),
    ))
}

fn getopt(call: &Call) -> Result<Operand, FilterError> {
    let wrong = || {
        arguments(
            call,
            "getopt",
            "takes arguments and the letters of options: `getopt(proc.args, \"ab:\")`",
        )
    };
    let [list, Arg::Literal(options)] = &*call.args else {
        return Err(wrong());
    };
    let args = items(list)?.ok_or_else(wrong)?;
    let letter = match &call.index {
        None => None,
        Some(index) => match &*index.bytes {
            [letter] => Some(*letter),
            _ => {
                return Err(arguments(
                    call,
                    "getopt",
                    "takes one letter in brackets after it",
                ));
            }
        },
    };
    let count = match letter {
        Some(_) => Count::One,
        None => Count::List,
    };
    let getopt = Getopt {
        args,
        options: options.bytes.clone(),
        letter,
        list: Vec::new(),
    };
    let ty = Ty {
        count,
        ..Ty::one(Kind::Text)
    };
    Ok(Operand::new(OperandKind::Getopt(Box::new(getopt)), ty))
}
