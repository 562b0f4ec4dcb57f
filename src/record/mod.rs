//! The recorder: loads the probe, drains its rings, and writes the capture file.
mod btf;
mod encode;
mod fetch;
mod probe;
mod ring;
#[cfg(test)]
mod smoke {
    use super::*;
    use scap_probe_common::config::{Config};
    #[test]
    fn smoke() {
        let cfg = Config { own_pid: std::process::id(), snaplen: 80, segments: 32, pid_filter:0, comm_filter:0, follow:0, has_task_btf:1, cgroup_subsys:[0;5], rss_stride:8 };
        let (mut p, rings) = match probe::Probe::load(probe::ProbeOptions { config: cfg, specs: fetch::specs(scap_capture_format::schema::Arch::X86_64, 80), cpus: 2, possible_cpus: 2, pid_max: 32768, pids: vec![], comms: vec![], follow: None}) { Ok(x)=>x, Err(e)=>{ 
            let mut s: &dyn std::error::Error = &e; loop { eprintln!("{s}"); match s.source() { Some(n)=>s=n, None=>break} } panic!() } };
        p.attach().unwrap();
        let secs: u64 = std::env::var("SECS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        let t = std::time::Instant::now();
        let mut readers = rings.readers();
        let mut n = [0u64;512];
        while t.elapsed().as_secs() < secs {
            for r in &mut readers { r.refresh(); while r.peek().is_some() { let rec = r.next(); n[(rec.header.nr & 511) as usize]+=1; 
               if n.iter().sum::<u64>() < 30 { eprintln!("{:?} items {}", rec.header, rec.items.len()); } }
              r.release(); }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        p.detach();
        for c in 0..2 { eprintln!("{:?}", rings.counters(c)); }
        for (i,c) in n.iter().enumerate() { if *c>0 { eprint!("{}:{} ", scap_capture_format::schema::syscall::by_nr(scap_capture_format::schema::Arch::X86_64, i as u32).map_or("?",|s|s.name), c);} }
    }
}
