//! `scap read` with several threads.

use std::io;
use std::ops::ControlFlow;

use super::super::error::{CliError, Outcome};
use super::super::input::Captures;
use super::super::output::Output;
use super::super::print::Printer;
use super::super::window::Window;
use super::{Args, LineOutput, Lines, print_count};
use crate::fields::Session;
use crate::replay::{self, PieceSink, Pipeline, Selection, Share, replay_shares};

/// Prints the events of a capture, of which each thread reads a share.
pub(super) fn print(
    args: &Args,
    shares: Vec<(Captures, Session)>,
    selection: &Selection,
    window: &Window,
) -> Result<Outcome, CliError> {
    let (mut captures, sessions): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
    let mut threads = Vec::new();
    for (captures, session) in captures.iter_mut().zip(sessions) {
        let arch = replay::arch(captures.header());
        threads.push(Share {
            pipeline: Pipeline::new(session, captures.origins(), selection.clone()),
            sink: Lines {
                printer: Printer::new(&args.print, arch)?,
                output: Vec::new(),
                quiet: args.quiet,
                left: u64::MAX,
                events: 0,
            },
            source: captures.source(),
        });
    }
    let mut output = Output::new();
    let replayed = replay_shares(&mut threads, &mut |piece| {
        output.write(piece)?;
        Ok(ControlFlow::Continue(()))
    });
    let events = threads.iter().map(|share| share.sink.events).sum();
    let missed = threads.iter().all(|share| share.pipeline.has_missed());
    drop(threads);
    let name = captures.first().map(Captures::name).unwrap_or_default();
    let end = replayed.map_err(|e| CliError::replay(&name, &e))?;
    output.finish()?;
    if missed {
        window.warn_of_no_events();
    }
    if args.print.verbose {
        print_count(events);
        captures.iter().take(1).for_each(Captures::print_amounts);
    }
    let damaged = Captures::report_shares(&captures, end, events);
    Ok(Outcome::of_damage(damaged))
}

impl LineOutput for Vec<u8> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self
    }

    fn written(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PieceSink for Lines<Vec<u8>> {
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.output, empty)
    }
}
