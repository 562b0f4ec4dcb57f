#!/bin/bash
# Records what docs/view.md shows besides the break-in, as root, into the directory given as argument:
#   nginx.scap       nginx for eight seconds: bursts of requests from ab, pages that are not there, a slow client
#   redis.scap       redis-server with an append-only file, redis-benchmark, and somebody at redis-cli
#   containers.scap  containers of Docker: one serves, one fetches, one writes files, docker exec looks into one
# The servers and the Docker daemon are its own, keep everything in a directory that is removed, and end with it.
# Needs nginx, ab, curl, redis-server, redis-benchmark, redis-cli, dockerd, docker, busybox; SCAP is the program.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
scap=${SCAP:-scap}
work=$(mktemp -d)
chmod 755 "$work"
image=shop/tools:1
export DOCKER_HOST=unix://$work/docker.sock
recorder= nginx= redis= dockerd=

finish() {
    [ -z "$recorder" ] || kill "$recorder" || true
    [ -z "$dockerd" ] || docker ps -aq | xargs -r docker rm -f >/dev/null || true
    for child in $nginx $redis $dockerd; do
        kill "$child" && wait "$child" || true
    done
    awk -v dir="$work/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r | xargs -r umount -l
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# Begins to record: name of the capture, then arguments. Who is there already is in the state then.
begin() {
    "$scap" record -q -w "$out/$1" -s 400 "${@:2}" &
    recorder=$!
    sleep 2
}

end() {
    sleep 0.5
    kill -INT "$recorder"
    wait "$recorder"
    recorder=
}

# Waits until a command succeeds.
await() {
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "not there: $*" >&2
    exit 1
}

record_nginx() {
    mkdir -p "$work/www/img"
    echo '<h1>Teapots</h1>' > "$work/www/index.html"
    head -c 30000 /dev/urandom | base64 > "$work/www/img/teapot.svg"
    head -c 3000000 /dev/urandom > "$work/www/img/catalogue.pdf"
    chmod -R a+rX "$work/www"
    cat > "$work/nginx.conf" << CONF
daemon off;
worker_processes 2;
user nobody nogroup;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 256; }
http {
    access_log $work/access.log;
    sendfile on;
    server { listen 127.0.0.1:8088; root $work/www; }
}
CONF
    nginx -c "$work/nginx.conf" -e "$work/error.log" &
    nginx=$!
    site=http://127.0.0.1:8088
    await curl -sf $site/
    begin nginx.scap 'proc.name in (nginx, ab, curl)'
    curl -s --limit-rate 600k -o /dev/null $site/img/catalogue.pdf &
    slow=$!
    for round in 1 2 3 4 5 6 7 8; do
        ab -q -n 400 -c 8 $site/ >/dev/null
        ab -q -k -n 200 -c 4 $site/img/teapot.svg >/dev/null
        [ $((round % 3)) -ne 0 ] || ab -q -n 20 -c 2 $site/wp-login.php >/dev/null
        curl -s -o /dev/null -A 'Mozilla/5.0' -b "session=c0ffee$round" $site/
        sleep 0.7
    done
    wait $slow
    end
}

record_redis() {
    mkdir "$work/redis"
    redis-server --port 6399 --bind 127.0.0.1 --dir "$work/redis" --appendonly yes --save '' >"$work/redis.log" &
    redis=$!
    await redis-cli -p 6399 ping
    begin redis.scap 'proc.name in (redis-server, redis-benchmark, redis-cli, io_thd_1) or proc.pname=redis-server'
    redis-benchmark -q -p 6399 -n 6000 -c 20 -t set,get,lpush,lrange_100 >/dev/null
    sleep 0.5
    redis-cli -p 6399 set user:42 '{"name":"alice","cart":["teapot","kettle"]}' >/dev/null
    redis-cli -p 6399 get user:42 >/dev/null
    redis-cli -p 6399 config get dir >/dev/null
    # A slow script, during which nobody else is answered, and a child that writes the file anew.
    redis-cli -p 6399 eval "local n = 0 for i = 1, 30000000 do n = n + i end return n" 0 >/dev/null
    redis-cli -p 6399 bgrewriteaof >/dev/null
    redis-benchmark -q -p 6399 -n 2000 -c 50 -P 16 -t set,get >/dev/null
    sleep 1
    end
}

record_containers() {
    # Bridge and firewall rules go away with the network namespace.
    unshare --net sh -c 'ip link set lo up && exec dockerd "$@"' sh \
        --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" \
        --host="$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
    dockerd=$!
    await docker info
    mkdir -p "$work/image/bin" "$work/image/tmp" "$work/image/www"
    cp "$(command -v busybox)" "$work/image/bin/busybox"
    for name in sh sleep cat ls id ps wget httpd dd seq mkdir rm sync; do
        ln -s busybox "$work/image/bin/$name"
    done
    echo '<h1>Orders</h1>' > "$work/image/www/index.html"
    tar -C "$work/image" -c . | docker import - $image >/dev/null
    docker run -d --name orders $image httpd -f -p 80 -h /www >/dev/null
    address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' orders)
    begin containers.scap --container-socket "$work/docker.sock" container.image=$image
    # With their paths, busybox executes its programs like any other.
    docker run -d --name backup $image sh -c 'for n in $(/bin/seq 40); do
            /bin/dd if=/dev/zero of=/tmp/dump.$n bs=8k count=$n
            /bin/sync /tmp/dump.$n
            /bin/sleep 0.1
        done
        /bin/rm /tmp/dump.1*' >/dev/null
    docker run -d --name crawler -e site=http://$address $image sh -c 'for n in $(/bin/seq 20); do
            /bin/wget -q -O /dev/null $site/
            /bin/wget -q -O /dev/null $site/missing
            /bin/sleep 0.2
        done
        /bin/wget $site:8081/' >/dev/null
    sleep 2
    docker exec orders sh -c '/bin/id; /bin/ps; /bin/ls -la /www
        /bin/cat /www/index.html; echo "<h1>Sold out</h1>" > /www/index.html' >/dev/null
    docker wait backup crawler >/dev/null
    end
}

record_nginx
record_redis
record_containers
for capture in nginx redis containers; do
    "$scap" info "$out/$capture.scap" | grep -E '^(file|duration|events|seen|lost|containers)'
done
