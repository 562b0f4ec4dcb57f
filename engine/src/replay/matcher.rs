//! Which events, and which chunks, a scope contains.

use scap_capture_format::event::Timestamp;
use scap_capture_format::native::ChunkSummary;
use scap_capture_format::schema::SourceCategory;

use crate::fields::Context;
use crate::filter::Filter;
use crate::replay::Scope;
use crate::replay::Span;
use crate::replay::segment::Need;

/// Tests events and chunks against a time range and a filter.
#[derive(Clone, Debug)]
pub struct Matcher {
    span: Option<Span>,
    filter: Option<Filter>,
    /// The text is not a valid filter: nothing matches.
    never: bool,
}

impl Matcher {
    /// Makes the matcher of a scope.
    pub fn new(scope: &Scope) -> Self {
        Self::with(Some(scope.span), &scope.filter)
    }

    /// Makes the matcher of a time range and a filter's text; a filter that is not valid matches nothing.
    pub fn with(span: Option<Span>, filter: &str) -> Self {
        let parsed = (!filter.is_empty()).then(|| Filter::parse(filter));
        Self {
            span,
            never: matches!(parsed, Some(Err(_))),
            filter: parsed.and_then(Result::ok),
        }
    }

    /// Returns true if there is a filter, which needs the state and whole events.
    pub fn has_filter(&self) -> bool {
        self.filter.is_some() || self.never
    }

    /// Returns what has to be loaded of a chunk to test its events.
    pub fn need(&self) -> Need {
        match &self.filter {
            Some(filter) if filter.needs_payload() => Need::Everything,
            _ => Need::Events,
        }
    }

    /// Returns false if no event of a chunk can match.
    pub fn may_match(&self, summary: &ChunkSummary) -> bool {
        let (from, to) = (summary.min_time.0, summary.max_time.0);
        let overlaps = |span: Span| span.from <= to && from <= span.to;
        if self.never || summary.events == summary.hidden || !self.span.is_none_or(overlaps) {
            return false;
        }
        let passes = |filter: &Filter| filter.pushdown().may_match(summary, None);
        self.filter.as_ref().is_none_or(passes)
    }

    /// Returns how many events of a chunk match, if its summary suffices.
    pub fn count(&self, summary: &ChunkSummary) -> Option<u32> {
        if !self.may_match(summary) {
            return Some(0);
        }
        let (from, to) = (summary.min_time.0, summary.max_time.0);
        let inside = |span: Span| span.from <= from && to <= span.to;
        if self.filter.is_some() || !self.span.is_none_or(inside) {
            return None;
        }
        let internal: u32 = summary
            .types
            .iter()
            .filter(|(ty, _)| {
                ty.info()
                    .is_some_and(|i| i.source_category.contains(SourceCategory::INTERNAL))
            })
            .map(|(_, count)| *count)
            .fold(0, u32::saturating_add);
        // An event can be hidden and internal.
        let known = summary.hidden == 0 || internal == 0;
        known.then(|| {
            summary
                .events
                .saturating_sub(summary.hidden.saturating_add(internal))
        })
    }

    /// Returns true if an event of a chunk that overlaps the range is in it. Events without a time
    /// belong to those around them.
    pub fn spans(&self, time: Timestamp) -> bool {
        let contains = |span: Span| time.known().is_none_or(|time| span.contains(time));
        self.span.is_none_or(contains)
    }

    /// Returns true if an event is shown and matches.
    pub fn matches(&mut self, cx: &Context<'_>) -> bool {
        !self.never
            && self.spans(cx.event.ts)
            && self.filter.as_mut().is_none_or(|filter| filter.matches(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_attributes_makes_every_chunk_read_in_full() {
        let chunk = ChunkSummary {
            events: 1,
            ..ChunkSummary::default()
        };
        let matcher = |filter| Matcher::with(None, filter);
        assert!(!matcher("evt.type = openat").may_match(&chunk));
        let strict = matcher("test.strict > 2 and evt.type = openat and thread.tid = 7");
        assert!(strict.may_match(&chunk));
        assert_eq!(strict.count(&chunk), None);
        assert_eq!(strict.need(), Need::Everything);
    }
}
