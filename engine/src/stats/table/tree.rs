//! The order of a tree.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

/// Returns the places of nodes in the order of a tree, each below its parent, with the number of its ancestors. Siblings keep their order. A
/// node is given by its key and that of its parent; it is a root if that is no node. Nodes that are their own ancestors, which no kernel
/// makes, are roots behind the others.
pub fn tree_order<K: Copy + Eq + Hash>(nodes: &[(K, Option<K>)]) -> Vec<(usize, u16)> {
    let known: HashSet<K> = nodes.iter().map(|(key, _)| *key).collect();
    let mut children: HashMap<Option<K>, Vec<usize>> = HashMap::new();
    for (place, (key, parent)) in nodes.iter().enumerate() {
        let parent = parent.filter(|parent| parent != key && known.contains(parent));
        children.entry(parent).or_default().push(place);
    }
    let mut order = Vec::with_capacity(nodes.len());
    let mut seen = vec![false; nodes.len()];
    let roots = children.remove(&None).unwrap_or_default();
    for root in roots.into_iter().chain(0..nodes.len()) {
        let mut open = vec![(root, 0_u16)];
        while let Some((place, depth)) = open.pop() {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            order.push((place, depth));
            let below = children.get(&Some(nodes[place].0)).into_iter().flatten();
            // They are taken from the end.
            open.extend(below.rev().map(|child| (*child, depth.saturating_add(1))));
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_below_their_parents() {
        let nodes = [
            (1, None),
            (4, Some(2)),
            (2, Some(1)),
            (3, Some(1)),
            (5, Some(9)),
            (6, Some(7)),
            (7, Some(6)),
            (8, Some(8)),
        ];
        let order = tree_order(&nodes);
        let keys: Vec<_> = order
            .iter()
            .map(|(place, depth)| (nodes[*place].0, *depth))
            .collect();
        assert_eq!(
            keys,
            [
                (1, 0),
                (2, 1),
                (4, 2),
                (3, 1),
                (5, 0),
                (8, 0),
                (6, 0),
                (7, 1)
            ]
        );
    }
}
