//! Which request and which process belong together.

use hashbrown::HashMap;

use super::request::Kind;
use super::{Confidence, ExecRequest, ExecRoot};

/// Most pairs of a request and a root that are compared: where all are of one pod, each fits to each.
const MAX_COMPARED: usize = if cfg!(test) { 1 << 16 } else { 1 << 22 };
/// The largest difference between clocks that is looked for.
const MAX_SKEW_NS: u64 = 60_000_000_000;
/// How long before the request was received it can begin: the estimate of the clocks is not exact, since a busy node
/// takes its time.
const EARLY_NS: u64 = 2_000_000_000;

/// Requests of roots.
pub(super) struct Pairs {
    /// The request of each root.
    pub(super) of_root: Vec<Option<(usize, Confidence)>>,
    /// The estimate of the clocks.
    pub(super) skew: Option<i64>,
    /// Requests that were not looked at.
    pub(super) left_out: usize,
}

/// Finds the requests of roots.
pub(super) fn pair(requests: &[ExecRequest], roots: &[ExecRoot]) -> Pairs {
    let mut by_pod: HashMap<(&[u8], &[u8]), Vec<usize>> = HashMap::new();
    for (index, root) in roots.iter().enumerate() {
        if let Some([namespace, pod, _]) = &root.place {
            by_pod.entry((namespace, pod)).or_default().push(index);
        }
    }
    let pairs = |accept: &dyn Fn(&ExecRequest, &ExecRoot) -> bool| {
        let mut pairs = Vec::new();
        let mut compared = 0;
        for (at, request) in requests.iter().enumerate() {
            let pod = (&*request.namespace, &*request.pod);
            let candidates = by_pod.get(&pod).map_or(&[][..], Vec::as_slice);
            compared += candidates.len();
            if compared > MAX_COMPARED {
                return (pairs, requests.len() - at);
            }
            for root in candidates.iter().copied() {
                if accept(request, &roots[root])
                    && let Some(confidence) = confidence(request, &roots[root])
                {
                    pairs.push((confidence, at, root));
                }
            }
        }
        (pairs, 0)
    };
    let is_near = |request: &ExecRequest, root: &ExecRoot| {
        !root.is_main && request.begun().abs_diff(root.time) <= MAX_SKEW_NS
    };
    let skew = skew(requests, roots, &pairs(&is_near).0);
    let corrected = |root: &ExecRoot| root.time.saturating_add_signed(-skew.unwrap_or(0));
    let (mut fitting, left_out) = pairs(&|request, root| {
        let time = corrected(root);
        time.saturating_add(EARLY_NS) >= request.received && time <= request.latest()
    });
    fitting.sort_by_key(|(confidence, request, root)| {
        let distance = requests[*request]
            .begun()
            .abs_diff(corrected(&roots[*root]));
        (std::cmp::Reverse(*confidence), distance, *request, *root)
    });
    let mut of_root: Vec<Option<(usize, Confidence)>> = vec![None; roots.len()];
    let mut is_used = vec![false; requests.len()];
    for (confidence, request, root) in fitting {
        if of_root[root].is_none() && !is_used[request] {
            of_root[root] = Some((request, confidence));
            is_used[request] = true;
        }
    }
    Pairs {
        of_root,
        skew,
        left_out,
    }
}

/// Says how well a request and a root of the same pod fit, apart from their times; `None` if not at all.
fn confidence(request: &ExecRequest, root: &ExecRoot) -> Option<Confidence> {
    let [_, _, container] = root.place.as_ref()?;
    match (request.kind, root.is_main) {
        (Kind::Exec, false) => {}
        (Kind::Container, true) if request.container.as_ref() == Some(container) => {
            return Some(Confidence::Certain);
        }
        _ => return None,
    }
    if request
        .container
        .as_ref()
        .is_some_and(|wanted| wanted != container)
    {
        return None;
    }
    let Some(words) = &root.words else {
        return Some(Confidence::Likely);
    };
    // A runtime can have resolved a symbolic link: then there have to be more words.
    fn rest(words: &[u8]) -> &[u8] {
        let end = memchr::memchr(0, words).map_or(words.len(), |at| at + 1);
        &words[end..]
    }
    let is_same = *words == request.words;
    if !is_same && (rest(words).is_empty() || rest(words) != rest(&request.words)) {
        return None;
    }
    Some(match is_same && request.container.is_some() {
        true => Confidence::Certain,
        false => Confidence::Likely,
    })
}

/// Estimates by how much the clock of the nodes is ahead of that of the API server: the median of the certain pairs of
/// which neither fits to anything else, or, without such, of the nearest ones.
fn skew(
    requests: &[ExecRequest],
    roots: &[ExecRoot],
    pairs: &[(Confidence, usize, usize)],
) -> Option<i64> {
    let certain = pairs.iter().filter(|(c, ..)| *c == Confidence::Certain);
    let certain: Vec<(usize, usize)> = certain.map(|(_, q, r)| (*q, *r)).collect();
    let mut of_request = vec![0_u32; requests.len()];
    let mut of_root = vec![0_u32; roots.len()];
    for (request, root) in &certain {
        of_request[*request] += 1;
        of_root[*root] += 1;
    }
    let ahead = |(request, root): &(usize, usize)| {
        roots[*root].time.cast_signed() - requests[*request].begun().cast_signed()
    };
    let is_alone =
        |(request, root): &&(usize, usize)| of_request[*request] == 1 && of_root[*root] == 1;
    let mut differences: Vec<i64> = certain.iter().filter(is_alone).map(ahead).collect();
    if differences.is_empty() {
        let mut nearest: HashMap<usize, i64> = HashMap::new();
        for pair in &certain {
            let ahead = ahead(pair);
            let best = nearest.entry(pair.0).or_insert(ahead);
            if ahead.unsigned_abs() < best.unsigned_abs() {
                *best = ahead;
            }
        }
        differences = nearest.into_values().collect();
    }
    differences.sort_unstable();
    // Of two in the middle the smaller one: a busy node makes differences larger, never smaller.
    let middle = differences.len().saturating_sub(1) / 2;
    differences.get(middle).copied()
}
