//! What real container runtimes say about real containers.

use std::time::{Duration, Instant};

use scap::record::containers::{ContainerOptions, Resolver};
use serde_json::Value as Json;

use crate::{
    cri_client::Wanted,
    runtimes::{Containerd, Docker, IMAGE, POD},
    tools::bench,
};

/// Fetches descriptions until one is as wanted, and returns its `container`.
fn wait_for(resolver: &mut Resolver, wanted: impl Fn(&Json) -> bool) -> Json {
    let end = Instant::now() + Duration::from_secs(10);
    let mut others = Vec::new();
    while Instant::now() < end {
        while let Some(description) = resolver.poll() {
            let json: Json = serde_json::from_str(&description.json).unwrap();
            let container = json["container"].clone();
            assert_eq!(container["id"], description.id.as_str());
            if wanted(&container) {
                return container;
            }
            others.push(container);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!(
        "not described; warnings {:?}, others {others:#?}",
        resolver.warning()
    );
}

#[test]
fn docker_describes_its_containers() {
    let Some(bench) = bench() else { return };
    let Some(docker) = Docker::start(&bench) else {
        return;
    };
    let early = docker.run(&["run", "-d", "--name=early", IMAGE, "/bin/sleep", "1000"]);
    let mut resolver = Resolver::start(ContainerOptions {
        sockets: vec![docker.socket().to_owned()],
        // Only that one.
        host_root: bench.path("docker"),
        env: true,
        ..ContainerOptions::default()
    })
    .unwrap();

    // What was there is told without being asked for.
    let container = wait_for(&mut resolver, |c| c["name"] == "early");
    assert_eq!(container["full_id"], early.as_str());
    assert_eq!(container["id"], &early[..12]);

    // What comes is told before its first process runs.
    let created = docker.run(&[
        "create",
        "--name=web",
        "-p=127.0.0.1:18080:80",
        "-e=TIER=front",
        "--label=app=shop",
        "--memory=64m",
        "--cpu-shares=512",
        "--pid=host",
        "--user=1000:1000",
        "-v=/dev/shm:/shm:ro",
        "--health-cmd=true",
        IMAGE,
        "/bin/sleep",
        "1000",
    ]);
    let container = wait_for(&mut resolver, |c| c["name"] == "web");
    assert_eq!(container["full_id"], created.as_str());
    assert!(container.get("ip").is_none(), "it does not run yet");
    docker.run(&["start", "web"]);
    let container = wait_for(&mut resolver, |c| {
        c["name"] == "web" && c.get("ip").is_some()
    });
    let told = |key: &str| container[key].clone();
    assert_eq!(told("type"), 0);
    assert_eq!(told("image"), IMAGE);
    assert_eq!(told("imagerepo"), "localhost:5000/team/busybox");
    assert_eq!(told("imagetag"), "local");
    assert_eq!(told("imageid").as_str().unwrap().len(), 64);
    assert_eq!(told("labels")["app"], "shop");
    assert_eq!(told("env"), Json::from(vec!["TIER=front"]));
    assert_eq!(told("memory_limit"), 64 << 20);
    assert_eq!(told("cpu_shares"), 512);
    assert_eq!(told("User"), "1000:1000");
    assert_eq!(
        (told("host_pid"), told("host_network"), told("privileged")),
        (true.into(), false.into(), false.into())
    );
    assert_eq!(told("Mounts")[0]["Source"], "/dev/shm");
    assert_eq!(told("Mounts")[0]["RW"], false);
    assert_eq!(told("port_mappings")[0]["HostPort"], 18080);
    assert_eq!(told("Healthcheck")["exe"], "/bin/sh");
    let address = docker.run(&["inspect", "-f={{.NetworkSettings.IPAddress}}", "web"]);
    assert_eq!(told("ip"), address.as_str());

    docker.run(&["rename", "web", "shop"]);
    let container = wait_for(&mut resolver, |c| c["name"] == "shop");
    assert_eq!(container["full_id"], created.as_str());

    // One that is over soon; and the end is prompt.
    docker.run(&["run", "--rm", "--name=brief", IMAGE, "/bin/true"]);
    let began = Instant::now();
    resolver.finish(Duration::from_secs(1));
    assert!(began.elapsed() < Duration::from_millis(500));
    wait_for(&mut resolver, |c| c["name"] == "brief");
    assert_eq!(resolver.warning(), None);
}

#[test]
fn containerd_describes_pods_and_containers() {
    let Some(bench) = bench() else { return };
    let Some(containerd) = Containerd::start(&bench) else {
        return;
    };
    let early = containerd.run_pod();
    let mut resolver = Resolver::start(ContainerOptions {
        sockets: vec![containerd.socket().to_owned()],
        // Only that one.
        host_root: bench.path("containerd"),
        env: true,
        ..ContainerOptions::default()
    })
    .unwrap();

    // What was there is told without being asked for.
    let sandbox = wait_for(&mut resolver, |c| c["is_pod_sandbox"] == true);
    assert_eq!(sandbox["full_id"], early.as_str());
    let [namespace, name, uid] = POD;
    for labels in [&sandbox["labels"], &sandbox["pod_sandbox_labels"]] {
        assert_eq!(labels["app"], "shop");
        assert_eq!(labels["io.kubernetes.pod.namespace"], namespace);
    }
    assert_eq!(
        (&sandbox["name"], &sandbox["type"]),
        (&name.into(), &7.into())
    );
    assert_eq!(
        (&sandbox["host_network"], &sandbox["host_pid"]),
        (&true.into(), &false.into())
    );

    // What comes is told, first by containerd, then by CRI.
    let wanted = Wanted {
        name: "nginx",
        label: ("tier", "front"),
        command: &["/bin/sleep", "1000"],
        mounts: &[("/shm", "/dev/shm", true)],
        capabilities: None,
    };
    let id = containerd.run_container(&early, &wanted);
    let container = wait_for(&mut resolver, |c| {
        c["name"] == "nginx" && c.get("pod_sandbox_id").is_some()
    });
    let told = |key: &str| container[key].clone();
    assert_eq!(told("full_id"), id.as_str());
    assert_eq!(
        (told("type"), told("is_pod_sandbox")),
        (7.into(), false.into())
    );
    assert_eq!(told("pod_sandbox_id"), early.as_str());
    assert_eq!(told("pod_sandbox_labels")["app"], "shop");
    assert_eq!(told("labels")["tier"], "front");
    assert_eq!(told("labels")["io.kubernetes.pod.name"], name);
    assert_eq!(told("labels")["io.kubernetes.pod.uid"], uid);
    assert_eq!(told("labels")["io.kubernetes.container.name"], "nginx");
    assert_eq!(told("image"), IMAGE);
    assert_eq!(told("imagerepo"), "localhost:5000/team/busybox");
    assert_eq!(told("imagetag"), "local");
    assert_eq!(told("imageid").as_str().unwrap().len(), 64);
    assert_eq!(told("privileged"), false);
    assert_eq!(told("host_network"), true);
    assert_eq!(told("Mounts")[0]["Source"], "/dev/shm");
    assert_eq!(told("Mounts")[0]["RW"], false);
    let env = told("env");
    assert!(
        env.as_array().unwrap().contains(&"TIER=front".into()),
        "{env}"
    );

    // Those that Kubernetes does not know.
    containerd.ctr(&[
        "run",
        "--detach",
        "--label=app=tool",
        "--env=DEPTH=2",
        IMAGE,
        "by-hand",
        "/bin/sleep",
        "1000",
    ]);
    let container = wait_for(&mut resolver, |c| c["full_id"] == "by-hand");
    assert_eq!(
        (&container["id"], &container["name"]),
        (&"by-hand".into(), &"by-hand".into())
    );
    assert_eq!(
        (&container["image"], &container["type"]),
        (&IMAGE.into(), &7.into())
    );
    assert_eq!(container["labels"]["app"], "tool");
    assert_eq!(container["privileged"], false);
    assert_eq!(container["host_pid"], false);
    let digest = container["imagedigest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
    assert_eq!(resolver.warning(), None);
}
