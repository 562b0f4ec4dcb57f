//! Random numbers from a seed, and random changes.

/// SplitMix64.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// Returns true once in `times`.
    pub(crate) fn chance(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns a number that a program may trip over.
    pub(crate) fn number(&mut self, old: u64) -> u64 {
        match self.below(12) {
            0 => 0,
            1 => u64::MAX,
            2 => old.wrapping_add(1),
            3 => old.wrapping_sub(1),
            4 => old ^ 1 << self.below(64),
            5 => old.wrapping_mul(2),
            6 => old / 2,
            7 => u64::from(u32::MAX),
            8 => 1 << 31,
            9 => 5,
            10 => self.next() % 1000,
            _ => self.next(),
        }
    }

    /// Changes a list: its length or its order. Items are repeated up to 2^`most_times` times.
    fn change<T: Clone>(&mut self, items: &mut Vec<T>, most_times: usize) {
        if items.is_empty() {
            return;
        }
        let (a, b) = (self.below(items.len()), self.below(items.len()));
        match self.below(7) {
            0 => items.clear(),
            1 => drop(items.remove(a)),
            2 => items.swap(a, b),
            3 => items.insert(b, items[a].clone()),
            4 => items.reverse(),
            5 => items.truncate(a),
            _ => {
                let item = items[a].clone();
                let times = 1 << self.below(most_times);
                items.splice(b..b, std::iter::repeat_n(item, times));
            }
        }
    }

    /// Changes a list of small items.
    pub(crate) fn change_list<T: Clone>(&mut self, items: &mut Vec<T>) {
        self.change(items, 10);
    }

    /// Changes a list of parts of a file, which stays small.
    pub(crate) fn change_parts<T: Clone>(&mut self, items: &mut Vec<T>) {
        self.change(items, 4);
    }

    /// Changes bytes: some of them, or their number.
    pub(crate) fn change_bytes(&mut self, bytes: &mut Vec<u8>) {
        match self.below(4) {
            0 => self.change_list(bytes),
            1 => {
                let at = self.below(bytes.len() + 1);
                let new = match self.below(4) {
                    0 => vec![0xff; 10],
                    1 => b"\x1b]0;x\x07\xc2\x9b31m".to_vec(),
                    2 => vec![0; 20],
                    _ => self.next().to_le_bytes().to_vec(),
                };
                bytes.splice(at..at, new);
            }
            _ => {
                for _ in 0..=self.below(3) {
                    let at = self.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = match self.below(3) {
                            0 => 0xff,
                            1 => *byte ^ 1 << self.below(8),
                            _ => self.next().to_le_bytes()[0],
                        };
                    }
                }
            }
        }
    }
}
