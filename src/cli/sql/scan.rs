//! Reads captures for queries.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::error::CliError;
use super::super::input::Captures;
use crate::event::EventExt as _;
use crate::event::bytes::BufferFormat;
use crate::fields::{Context, Session, TimeFormat};
use crate::replay::{EventSink, Extent, PieceSink, Pipeline, Share, Split, replay_shares};
use crate::sql::{Scan, Scanner};
use crate::tables::{EventRows, cell};

/// Bytes of rows after which they are passed on, so that the first ones come soon.
const PIECE: usize = 1 << 18;

/// Captures, read again for each scan.
#[derive(Debug)]
pub(super) struct CaptureScanner {
    pub(super) files: Vec<PathBuf>,
    pub(super) names: Vec<String>,
    pub(super) threads: usize,
    pub(super) may_skip: bool,
    pub(super) verbose: bool,
    pub(super) is_damaged: std::sync::Arc<AtomicBool>,
}

/// Makes rows of events.
struct Rows {
    rows: EventRows,
    output: Vec<u8>,
}

impl Rows {
    fn add(&mut self, cx: &Context<'_>) {
        if !cx.event.is_internal() {
            // The same for each scan: SQLite unites scans by it.
            let origin = cx.session.origin.map_or(0, |origin| origin.0);
            let number = i64::from(origin) << 47 | (cx.event.num.0 & ((1 << 47) - 1)).cast_signed();
            cell::integer(&mut self.output, number);
            self.rows.write(&mut self.output, cx);
        }
    }
}

impl EventSink for Rows {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.add(cx);
        Ok(ControlFlow::Continue(()))
    }
}

impl PieceSink for Rows {
    fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut self.output, empty)
    }

    fn is_full(&self) -> bool {
        self.output.len() >= PIECE
    }
}

/// Passes rows on as they come.
struct Streamed<'e> {
    rows: Rows,
    each: &'e mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    events: u64,
}

impl Streamed<'_> {
    fn pass(&mut self) -> ControlFlow<()> {
        let flow = (self.each)(&self.rows.output);
        self.rows.output.clear();
        flow
    }
}

impl EventSink for Streamed<'_> {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        self.events += 1;
        self.rows.add(cx);
        Ok(match self.rows.output.len() >= PIECE {
            true => self.pass(),
            false => ControlFlow::Continue(()),
        })
    }
}

impl Scanner for CaptureScanner {
    fn scan(
        &self,
        scan: Scan,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), String> {
        self.replay(scan, each).map_err(|error| match error {
            CliError::Failed { message, .. } => message,
            _ => "the captures cannot be read".to_owned(),
        })
    }

    fn captures(&self) -> Vec<String> {
        self.names.clone()
    }
}

impl CaptureScanner {
    fn replay(
        &self,
        scan: Scan,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), CliError> {
        let Scan { rows, selection } = scan;
        let filter = selection.filter.as_ref();
        let is_sequential = rows.any_field(|field| field.is_stateful() || field.needs_all_events())
            || filter.is_some_and(|filter| filter.pushdown().depends_on_all.is_some());
        let threads = match is_sequential {
            true => 1,
            false => self.threads,
        };
        let wanted = (self.may_skip && !is_sequential).then_some(Extent::Events(&selection));
        let session = || Session::new(None, BufferFormat::default(), TimeFormat::default());
        let split = (threads, Split::Turns);
        let opened = Captures::shares(&self.files, None, wanted, split, &session)?;
        let (mut captures, sessions): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        let new = |rows: &EventRows| Rows {
            rows: rows.clone(),
            output: Vec::new(),
        };
        let names = captures.first().map(Captures::name).unwrap_or_default();
        let failed = |error| CliError::replay(&names, &error);
        let mut events = 0;
        let end = if let [captures] = &mut captures[..] {
            let mut sink = Streamed {
                rows: new(&rows),
                each,
                events: 0,
            };
            let session = sessions.into_iter().next().unwrap_or_default();
            let mut pipeline = Pipeline::new(session, captures.origins(), selection);
            let end = pipeline.run(captures.source(), &mut sink).map_err(failed)?;
            let _end_of_query = sink.pass();
            events += sink.events;
            end
        } else {
            let mut shares = Vec::new();
            for (captures, session) in captures.iter_mut().zip(sessions) {
                shares.push(Share {
                    pipeline: Pipeline::new(session, captures.origins(), selection.clone()),
                    source: captures.source(),
                    sink: new(&rows),
                });
            }
            replay_shares(&mut shares, &mut |piece| Ok(each(piece))).map_err(failed)?
        };
        if self.verbose {
            captures.iter().take(1).for_each(Captures::print_amounts);
        }
        if Captures::report_shares(&captures, end, events) {
            self.is_damaged.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
