//! Functions for queries.

use std::net::IpAddr;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Result};

use crate::event::{self};
use crate::tables;

type Function = fn(&[Option<&str>]) -> Option<Value>;

/// The functions: name, number of arguments, what they return.
pub const FUNCTIONS: &[(&str, i32, &str)] = &[
    (
        "ip_in",
        2,
        "1 if an address is in a network: `ip_in(sip, '10.0.0.0/8')`",
    ),
    (
        "pmatch",
        2,
        "1 if a path is another one or below it: `pmatch(path, '/etc')`",
    ),
    ("basename", 1, "the last part of a path"),
    ("dirname", 1, "a path without its last part"),
    (
        "errno_name",
        1,
        "the name of an error number: `errno_name(2)` is ENOENT",
    ),
    (
        "human_time",
        1,
        "nanoseconds since the epoch as time in UTC",
    ),
];

/// Adds the functions to a connection.
pub(super) fn add(connection: &Connection) -> Result<()> {
    let functions: [Function; 6] = [ip_in, pmatch, basename, dirname, errno_name, human_time];
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for ((name, arguments, _), function) in FUNCTIONS.iter().zip(functions) {
        connection.create_scalar_function(*name, *arguments, flags, move |cx| {
            Ok(ToSqlOutput::Owned(call(cx, function)))
        })?;
    }
    Ok(())
}

fn call(cx: &Context<'_>, function: Function) -> Value {
    let text = |at| match cx.get_raw(at) {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    let texts: Vec<Option<String>> = (0..cx.len()).map(text).collect();
    let borrowed: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    function(&borrowed).unwrap_or(Value::Null)
}

fn texts<const N: usize>(arguments: &[Option<&str>]) -> Option<[String; N]> {
    let texts: Option<Vec<String>> = arguments
        .iter()
        .map(|text| text.map(str::to_owned))
        .collect();
    texts?.try_into().ok()
}

fn ip_in(arguments: &[Option<&str>]) -> Option<Value> {
    let [address, network] = texts(arguments)?;
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let (network, length) = match network.split_once('/') {
        Some((network, length)) => (network.to_owned(), Some(length.parse::<u32>().ok()?)),
        None => (network, None),
    };
    let (address, network): (IpAddr, IpAddr) = (address.parse().ok()?, network.parse().ok()?);
    let ((address_bits, _), (network_bits, most)) = (bits(address), bits(network));
    let length = length.unwrap_or(most);
    if length > most {
        return None;
    }
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    let is_in = address.is_ipv4() == network.is_ipv4() && (address_bits ^ network_bits) & mask == 0;
    Some(Value::Integer(i64::from(is_in)))
}

fn pmatch(arguments: &[Option<&str>]) -> Option<Value> {
    let [path, above] = texts(arguments)?;
    let above = above.trim_end_matches('/');
    let is_below = path
        .strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    Some(Value::Integer(i64::from(is_below)))
}

fn basename(arguments: &[Option<&str>]) -> Option<Value> {
    let [path] = texts(arguments)?;
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    Some(Value::Text(name))
}

fn dirname(arguments: &[Option<&str>]) -> Option<Value> {
    let [path] = texts(arguments)?;
    Some(Value::Text(match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((above, _)) => above.to_owned(),
        None => ".".to_owned(),
    }))
}

fn errno_name(arguments: &[Option<&str>]) -> Option<Value> {
    let [number] = texts(arguments)?;
    let number: i64 = number.parse().ok()?;
    let name = event::errno_name(number.checked_abs()?.checked_neg()?)?;
    Some(Value::Text(String::from_utf8_lossy(name).into_owned()))
}

fn human_time(arguments: &[Option<&str>]) -> Option<Value> {
    let [ns] = texts(arguments)?;
    let mut out = Vec::new();
    tables::date_time(&mut out, ns.parse().ok()?);
    Some(Value::Text(String::from_utf8(out).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_answer() {
        let connection = Connection::open_in_memory().unwrap();
        add(&connection).unwrap();
        for (call, expected) in [
            ("ip_in('10.1.2.3', '10.0.0.0/8')", "1"),
            ("ip_in('11.1.2.3', '10.0.0.0/8')", "0"),
            ("ip_in('10.1.2.3', '10.1.2.3')", "1"),
            ("ip_in('10.1.2.3', '0.0.0.0/0')", "1"),
            ("ip_in('::1', '0.0.0.0/0')", "0"),
            ("ip_in('fe80::1', 'fe80::/10')", "1"),
            ("ip_in('10.1.2.3', '10.0.0.0/33')", ""),
            ("ip_in(NULL, '10.0.0.0/8')", ""),
            ("pmatch('/etc/passwd', '/etc')", "1"),
            ("pmatch('/etcetera', '/etc')", "0"),
            ("pmatch('/etc', '/etc/')", "1"),
            ("basename('/usr/bin/id')", "id"),
            ("dirname('/usr/bin/id')", "/usr/bin"),
            ("dirname('/id')", "/"),
            ("dirname('id')", "."),
            ("errno_name(2)", "ENOENT"),
            ("errno_name(-2)", "ENOENT"),
            ("errno_name(99999)", ""),
            ("human_time(1500000000)", "1970-01-01 00:00:01.500000"),
        ] {
            let sql = format!("SELECT coalesce({call}, '')");
            let found: Value = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            let found = match found {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                other => panic!("{call}: {other:?}"),
            };
            assert_eq!(found, expected, "{call}");
        }
    }
}
