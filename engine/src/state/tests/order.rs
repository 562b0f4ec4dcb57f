//! Calls of threads that overlap: they are seen in order of return, and mean what was so when they entered.

use super::*;

impl Machine {
    /// A process with threads 100, 101 and 102, which share everything.
    fn threaded() -> Self {
        let mut m = Self::new();
        for tid in [101, 102] {
            let params = clone_params(tid, 100, 100, 1, THREAD);
            m.event(100, types::SYSCALL_CLONE_20_X, &refs(&params));
        }
        m.now += 100_000;
        m
    }

    /// The next event's call took this long in microseconds.
    fn after(&mut self, micros: u64) -> &mut Self {
        self.took = Some(micros);
        self
    }

    fn opens(&mut self, tid: i64, fd: i64, path: &str) {
        self.after(0).thread_open(tid, fd, path);
    }

    fn thread_open(&mut self, tid: i64, fd: i64, path: &str) {
        let path = [path.as_bytes(), b"\0"].concat();
        let params: [&[u8]; 5] = [&i(fd), &i(-100), &path, &u(1), &u(0)];
        self.event_of(tid, 100, types::SYSCALL_OPENAT_2_X, &params);
    }

    fn closes(&mut self, tid: i64, fd: i64) -> String {
        self.event_of(tid, 100, types::SYSCALL_CLOSE_X, &[&i(0), &i(fd)])
    }

    fn reads(&mut self, tid: i64, fd: i64) -> String {
        let params: [&[u8]; 4] = [&i(1), b"x", &i(fd), &u(1)];
        let ty = types::SYSCALL_READ_X;
        let text = self.event_of(tid, 100, ty, &params);
        text.replace("res=1 data=x ", "").replace(" size=1 ", "")
    }
}

#[test]
fn a_close_that_returns_late_is_of_its_own_file() {
    let mut m = Machine::threaded();
    m.opens(100, 3, "/a");
    // 101 is given the number before the close of 100 returns.
    m.opens(101, 3, "/b");
    assert_eq!(m.after(0).reads(101, 3), "fd=3(<f>/b)");
    assert_eq!(m.after(3).closes(100, 3), "res=0 fd=3(<f>/a) ");
    assert_eq!(m.after(0).reads(101, 3), "fd=3(<f>/b)");
    assert_eq!(m.after(0).closes(101, 3), "res=0 fd=3(<f>/b) ");
    assert_eq!(m.after(0).reads(101, 3), "fd=3");

    // The second file is closed, too, and a third opened, before the first close returns.
    m.opens(100, 3, "/a");
    m.opens(101, 3, "/b");
    assert_eq!(m.after(0).closes(101, 3), "res=0 fd=3(<f>/b) ");
    m.opens(102, 3, "/c");
    assert_eq!(m.after(4).closes(100, 3), "res=0 fd=3(<f>/a) ");
    assert_eq!(m.after(0).reads(102, 3), "fd=3(<f>/c)");
    m.after(0).closes(102, 3);
    for tid in [101, 102, 100] {
        m.event_of(tid, 100, types::PROCEXIT_1_E, &[]);
    }
    m.nothing_is_left();
}

#[test]
fn a_blocked_call_is_of_the_file_that_it_entered_with() {
    let mut m = Machine::threaded();
    m.opens(100, 3, "/a");
    m.now += 1000;
    m.after(0).closes(101, 3);
    m.opens(101, 3, "/b");
    assert_eq!(m.after(3).reads(100, 3), "fd=3(<f>/a)");
    assert_eq!(m.after(0).reads(100, 3), "fd=3(<f>/b)");
    // Closed meanwhile, and not opened again.
    m.after(0).closes(101, 3);
    assert_eq!(m.after(2).reads(100, 3), "fd=3(<f>/b)");
    assert_eq!(m.after(0).reads(100, 3), "fd=3");
}

#[test]
fn a_number_that_is_replaced_means_one_file_before_and_another_after() {
    let mut m = Machine::threaded();
    m.opens(100, 3, "/old");
    m.opens(100, 4, "/new");
    m.now += 10_000;
    let dup2 = |m: &mut Machine, took| {
        let params: [&[u8]; 3] = [&i(3), &i(4), &i(3)];
        m.after(took)
            .event_of(101, 100, types::SYSCALL_DUP2_X, &params)
    };
    dup2(&mut m, 2);
    assert_eq!(m.after(6).reads(100, 3), "fd=3(<f>/old)");
    // Between entry and return of the dup2 it may have been the one or the other.
    assert_eq!(m.after(4).reads(100, 3), "fd=3");
    assert_eq!(m.after(0).reads(100, 3), "fd=3(<f>/new)");
    // Late effects on what the number meant before do not touch what it means now.
    m.opens(100, 5, "/x");
    m.opens(101, 5, "/y");
    let range: [&[u8]; 4] = [&i(0), &u(5), &u(9), &u(0)];
    m.after(2)
        .event_of(102, 100, types::SYSCALL_CLOSE_RANGE_X, &range);
    assert_eq!(m.after(0).reads(100, 5), "fd=5(<f>/y)");
}

#[test]
fn a_relative_path_starts_from_the_directory_of_its_entry() {
    let mut m = Machine::threaded();
    let chdir = |m: &mut Machine, tid, path: &[u8]| {
        m.after(3)
            .event_of(tid, 100, types::SYSCALL_CHDIR_X, &[&i(0), path])
    };
    let stat = |m: &mut Machine, took| {
        let params: [&[u8]; 2] = [&i(0), b"f\0"];
        m.after(took)
            .event_of(101, 100, types::SYSCALL_STAT_X, &params)
    };
    chdir(&mut m, 100, b"/one\0");
    m.now += 10_000;
    chdir(&mut m, 100, b"two\0");
    assert_eq!(stat(&mut m, 0), "res=0 path=f(/one/two/f) ");
    assert_eq!(stat(&mut m, 6), "res=0 path=f(/one/f) ");
    // While the other thread changed it, it may have been either.
    assert_eq!(stat(&mut m, 4), "res=0 path=f(f) ");
}

/// Some programs write events without a time: what was opened before them is open, and what they open stays open.
#[test]
fn an_event_without_a_time_is_where_the_one_before_it_is() {
    for none in [0, u64::MAX] {
        let mut m = Machine::new();
        m.open(100, 3, "/a", 0);
        let path = b"/b\0";
        let (flags, mode, dev) = (
            0_u32.to_le_bytes(),
            0_u32.to_le_bytes(),
            0_u32.to_le_bytes(),
        );
        let (fd, ino) = (i(4), 0_u64.to_le_bytes());
        let params: [&[u8]; 6] = [&fd, path, &flags, &mode, &dev, &ino];
        let lens: Vec<u32> = params.iter().map(|p| p.len() as u32).collect();
        let bytes = params.concat();
        m.state.apply(&Event {
            num: EventNum(1),
            ts: Timestamp(none),
            tid: Tid(100),
            pid: Pid(100),
            cpu: 0,
            ty: types::SYSCALL_OPEN_X,
            latency: None,
            flags: EventFlags::empty(),
            params: Params::new(&lens, &bytes).unwrap(),
        });
        let is_open = |m: &Machine, fd| m.state.fd(Tid(100), fd).is_some();
        assert!(is_open(&m, 3) && is_open(&m, 4), "{none}");
        m.open(100, 5, "/c", 0);
        assert!([3, 4, 5].iter().all(|fd| is_open(&m, *fd)), "{none}");
    }
}
