//! How far the clocks of several machines are apart, from connections that both ends recorded.
//!
//! A connection is accepted after it was begun. If machine B accepts what machine A began, the difference of the two times, each by
//! the clock of its machine, is at least how far B's clock is ahead of A's: an upper bound of the offset. Connections in the other
//! direction give lower bounds. The estimate is the median of the differences; with both directions the mean of both
//! medians, in which the time that a connection takes cancels out.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::ops::ControlFlow;

use hashbrown::HashMap;
use scap_capture_format::native::OriginId;
use scap_capture_format::schema::types;

use crate::event::EventExt as _;
use crate::event::net::Endpoint;
use crate::fields::Context;
use crate::replay::EventSink;
use crate::state::L4;

/// Limit of the connections that are remembered.
const MAX_CONNECTIONS: usize = 200_000;

/// How far one clock is ahead of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// The estimate in nanoseconds; negative: it is behind.
    pub ns: i64,
    /// The bounds, as far as connections give them.
    pub at_least: Option<i64>,
    /// The upper bound.
    pub at_most: Option<i64>,
    /// How many connections to and from the machine it is estimated from.
    pub connections: [usize; 2],
    /// The machine whose clock it was compared with.
    pub with: OriginId,
}

/// The ends of a connection: who began it, and who accepted it, with times.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    client: Option<(OriginId, u64)>,
    server: Option<(OriginId, u64)>,
}

/// Collects the connections in a merged capture.
#[derive(Debug, Default)]
pub struct ClockSurvey {
    seen: HashMap<(Endpoint, Endpoint), Ends>,
}

impl ClockSurvey {
    /// Returns how far the clock of each origin is ahead of that of the first one, if connections show it.
    pub fn offsets(&self, origins: usize) -> Vec<Option<ClockOffset>> {
        // By server and client: accepted minus begun.
        let mut differences: BTreeMap<(OriginId, OriginId), Vec<i64>> = BTreeMap::new();
        for ends in self.seen.values() {
            if let (Some((client, began)), Some((server, accepted))) = (ends.client, ends.server)
                && client != server
            {
                let difference = accepted.cast_signed().saturating_sub(began.cast_signed());
                let of_pair = differences.entry((server, client)).or_default();
                of_pair.push(difference);
            }
        }
        for of_pair in differences.values_mut() {
            of_pair.sort_unstable();
        }
        let mut offsets: Vec<Option<ClockOffset>> = vec![None; origins];
        let known = ClockOffset {
            ns: 0,
            at_least: Some(0),
            at_most: Some(0),
            connections: [0; 2],
            with: OriginId::FIRST,
        };
        let mut reached = vec![OriginId::FIRST];
        if let Some(first) = offsets.first_mut() {
            *first = Some(known);
        }
        // From machine to machine; those with most connections first.
        while let Some(next) = best(&differences, &reached, origins) {
            let (with, machine) = next;
            let base = offsets.get(usize::from(with.0)).copied().flatten();
            if let (Some(base), Some(place)) = (base, offsets.get_mut(usize::from(machine.0))) {
                *place = pair(&differences, machine, with).map(|own| ClockOffset {
                    ns: own.ns.saturating_add(base.ns),
                    at_least: sum(own.at_least, base.at_least),
                    at_most: sum(own.at_most, base.at_most),
                    ..own
                });
            }
            reached.push(machine);
        }
        offsets
    }
}

fn sum(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    Some(a?.saturating_add(b?))
}

/// Returns the pair of a machine whose offset is known and one whose offset is not that have most connections.
fn best(
    differences: &BTreeMap<(OriginId, OriginId), Vec<i64>>,
    reached: &[OriginId],
    origins: usize,
) -> Option<(OriginId, OriginId)> {
    let count = |a, b| differences.get(&(a, b)).map_or(0, Vec::len);
    let all = (0..u16::try_from(origins).unwrap_or(u16::MAX)).map(OriginId);
    let open = all.filter(|origin| !reached.contains(origin));
    let pairs = open.flat_map(|open| reached.iter().map(move |known| (*known, open)));
    let counted = pairs.map(|(known, open)| (count(known, open) + count(open, known), known, open));
    let best = counted
        .filter(|(count, ..)| *count > 0)
        .max_by_key(|(count, known, open)| {
            (*count, std::cmp::Reverse(*known), std::cmp::Reverse(*open))
        })?;
    Some((best.1, best.2))
}

/// Returns how far a machine's clock is ahead of another's.
fn pair(
    differences: &BTreeMap<(OriginId, OriginId), Vec<i64>>,
    machine: OriginId,
    with: OriginId,
) -> Option<ClockOffset> {
    let none = Vec::new();
    let to = differences.get(&(machine, with)).unwrap_or(&none);
    let from = differences.get(&(with, machine)).unwrap_or(&none);
    let median = |sorted: &[i64]| sorted.get(sorted.len() / 2).copied();
    let ns = match (median(to), median(from)) {
        (Some(to), Some(from)) => {
            let twice = i128::from(to) - i128::from(from);
            i64::try_from(twice / 2).ok()?
        }
        (Some(to), None) => to,
        (None, Some(from)) => from.saturating_neg(),
        (None, None) => return None,
    };
    Some(ClockOffset {
        ns,
        at_least: from.first().map(|least| least.saturating_neg()),
        at_most: to.first().copied(),
        connections: [to.len(), from.len()],
        with,
    })
}

/// Whether machines other than the own one can have the address.
fn is_public(end: Endpoint) -> bool {
    let is_linked = match end.ip() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !end.ip().is_loopback() && !end.is_unspecified() && !is_linked && end.port() != 0
}

impl EventSink for ClockSurvey {
    fn event(&mut self, cx: &Context<'_>) -> io::Result<ControlFlow<()>> {
        let event = cx.event;
        let begins = match event.ty {
            types::SOCKET_CONNECT_X => true,
            ty if ty
                .info()
                .is_some_and(|info| matches!(info.name, "accept" | "accept4")) =>
            {
                false
            }
            _ => return Ok(ControlFlow::Continue(())),
        };
        let is_done = !event.ty.is_enter()
            && match event.result() {
                Some(result) if begins => result == 0 || result == -115,
                Some(result) => result >= 0,
                None => false,
            };
        let info = cx.view.fd_info().filter(|fd| is_done && fd.l4 == L4::Tcp);
        let Some((client, server)) = info.and_then(|fd| fd.ends) else {
            return Ok(ControlFlow::Continue(()));
        };
        let is_new = !self.seen.contains_key(&(client, server));
        if !is_public(client) || !is_public(server) || is_new && self.seen.len() >= MAX_CONNECTIONS
        {
            return Ok(ControlFlow::Continue(()));
        }
        let origin = cx.session.origin.unwrap_or_default();
        let ends = self.seen.entry((client, server)).or_default();
        match begins {
            true => {
                let began = event.ts.0.saturating_sub(event.latency.unwrap_or(0));
                ends.client.get_or_insert((origin, began));
            }
            false => {
                ends.server.get_or_insert((origin, event.ts.0));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
