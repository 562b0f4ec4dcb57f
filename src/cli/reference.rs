//! `docs/cli-reference.md`, generated from the commands.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

/// Returns the text of the reference.
pub fn reference() -> String {
    let mut out = String::from(
        "# Commands and options\n\n\
         Generated from the program; `SCAP_UPDATE_DOCS=1 cargo test --test generated` updates this file.\n",
    );
    let mut command = super::Cli::command();
    command.build();
    write_command(&mut out, &command, "scap", 2);
    out
}

fn write_command(out: &mut String, command: &Command, name: &str, level: usize) {
    // Writing to a String cannot fail.
    let heading = "#".repeat(level);
    let _always = write!(out, "\n{heading} `{name}`\n\n");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let _always = write!(out, "    {usage}\n\n");
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let long = command.get_long_about().map(ToString::to_string);
    let text = long
        .as_deref()
        .and_then(|l| l.strip_prefix(about.as_str()))
        .unwrap_or_default();
    let _always = write!(out, "{about}.{text}\n\n");
    let args: Vec<&Arg> = command
        .get_arguments()
        .filter(|a| !a.is_hide_set())
        .collect();
    if !args.is_empty() {
        out.push_str("| option | meaning |\n| --- | --- |\n");
        for arg in args {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let help = help.replace('\n', " ").replace('|', "\\|");
            let default = arg
                .get_default_values()
                .first()
                .map(|d| format!(" (default `{}`)", d.to_string_lossy()))
                .filter(|_| arg.get_action().takes_values())
                .unwrap_or_default();
            let _always = writeln!(out, "| {} | {help}{default} |", spelling(arg));
        }
    }
    if let Some(after) = command.get_after_help() {
        let _always = write!(out, "\n{after}\n");
    }
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        write_command(out, sub, &format!("{name} {}", sub.get_name()), level + 1);
    }
}

fn spelling(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| names.join(" "))
        .unwrap_or_default();
    if arg.is_positional() {
        let more = if arg.get_num_args().is_some_and(|n| n.max_values() > 1) {
            "..."
        } else {
            ""
        };
        return format!("`{value}{more}`");
    }
    let names = [
        arg.get_short().map(|s| format!("-{s}")),
        arg.get_long().map(|l| format!("--{l}")),
    ];
    let mut names: Vec<String> = names.into_iter().flatten().collect();
    if let Some(last) = names.last_mut()
        && !value.is_empty()
    {
        last.push(' ');
        last.push_str(&value);
    }
    names
        .iter()
        .map(|n| format!("`{n}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
