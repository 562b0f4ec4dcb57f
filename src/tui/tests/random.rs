//! Random keys on random captures.

use crossterm::event::KeyEvent;
use proptest::prelude::*;

use super::*;

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }
}

fn random_capture(path: &Path, seed: u64) {
    let mut random = Random(seed | 1);
    let mut made = MadeUp::new(path);
    let all = (0..u16::MAX)
        .take_while(|n| event_info(EventType(*n)).is_some())
        .count() as u64;
    let nasty = nasty();
    let mut ns = 0;
    for _ in 0..random.below(400) {
        ns += match random.below(20) {
            0 => random.below(1 << 34),
            _ => random.below(1 << 16),
        };
        let ty = EventType(random.below(all) as u16);
        let count = event_info(ty).map_or(0, |info| info.params.len());
        let mut params: Vec<Vec<u8>> = Vec::new();
        for _ in 0..count {
            params.push(match random.below(8) {
                0 => nasty[random.below(nasty.len() as u64) as usize].clone(),
                1 => Vec::new(),
                2 => b"/etc/passwd\0".to_vec(),
                3 => random.next().to_le_bytes()[..random.below(9) as usize].to_vec(),
                4 => 4_i64.to_le_bytes().to_vec(),
                5 => (-(random.below(40) as i64)).to_le_bytes().to_vec(),
                6 => 0_u32.to_le_bytes().to_vec(),
                _ => (random.below(5) as i64).to_le_bytes().to_vec(),
            });
        }
        let params: Vec<&[u8]> = params.iter().map(Vec::as_slice).collect();
        let latency = (random.below(3) > 0).then(|| random.below(1 << 33));
        made.push(ty, ns, random.below(6) as i64 + 1, latency, &params);
        if random.below(200) == 0 {
            made.lose(ns, ns + random.below(1 << 20), random.below(1000));
        }
    }
    made.finish();
}

/// Returns the CPU time of this thread.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn random_key(random: &mut Random, all: &[KeyEvent]) -> KeyEvent {
    all[random.below(all.len() as u64) as usize]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_keys_on_random_captures_do_no_harm(seed in 1_u64..u64::MAX) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("random.scap");
        random_capture(&path, seed);
        let mut random = Random(seed);
        let size = (40 + random.below(170) as u16, 16 + random.below(50) as u16);
        let mut screen = open_with_rules(&path, size);
        // Without a dot no file name is valid: nothing is saved.
        let text = "abcdefghijkloz019=()!<lt>: /";
        let mut all: Vec<KeyEvent> = keys::parse(text).unwrap();
        for binding in keys::BINDINGS {
            for key in binding.keys {
                all.extend(keys::parse(key).unwrap());
            }
        }
        let mut pressed = Vec::new();
        for _ in 0..150 {
            let key = random_key(&mut random, &all);
            pressed.push(key.code);
            let before = processor_time();
            let commands = update(&mut screen.model, Message::Key(key));
            let buffer = screen.draw();
            let took = processor_time() - before;
            prop_assert!(took <= LONGEST, "{took:?} for the last of {pressed:?}");
            check(&buffer);
            screen.carry_out(commands);
            screen.settle().unwrap();
            if screen.quit {
                screen.quit = false;
            }
        }
    }
}
