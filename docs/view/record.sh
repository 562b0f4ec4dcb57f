#!/bin/sh
# Records what docs/view.md shows besides the break-in, as root, into a directory: nginx.scap, redis.scap,
# containers.scap, and the pictures. Needs scap, nginx, ab, redis-server, redis-benchmark, dockerd, docker, busybox.
#
#   unshare --uts sh -c 'hostname web1; docs/view/record.sh DIRECTORY'
set -eu
out=$1
mkdir -p "$out"
work=$(mktemp -d)
started=
finish() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$work"
}
trap finish EXIT

# Seconds, name, filter: the rest of the machine is not what is shown.
record() {
    scap record -q -M "$1" -w "$out/$2.scap" --container-socket "$work/docker.sock" "$3" 2> "$work/told" &
    recorder=$!
    sleep 1
}

echo "nginx: visitors, some of whom look for what is not there"
cat > "$work/nginx.conf" <<CONF
worker_processes 2; pid $work/nginx.pid; error_log $work/error.log; daemon off;
events { worker_connections 256; }
http { access_log $work/access.log; server { listen 127.0.0.1:8081; root $work/www; } }
CONF
mkdir "$work/www"
chmod 755 "$work" "$work/www"
echo '<h1>Welcome</h1>' > "$work/www/index.html"
head -c 300000 /dev/zero > "$work/www/teapot.jpg"
nginx -c "$work/nginx.conf" &
started="$started $!"
sleep 1
record 6 nginx 'proc.name in (nginx, ab)'
ab -q -n 30000 -c 8 http://127.0.0.1:8081/index.html > /dev/null
ab -q -n 2000 -c 4 http://127.0.0.1:8081/teapot.jpg > /dev/null
ab -q -n 900 -c 2 http://127.0.0.1:8081/wp-login.php > /dev/null
wait "$recorder"

echo "redis: a benchmark"
redis-server --port 6391 --save '' --dir "$work" > /dev/null &
started="$started $!"
sleep 1
record 5 redis 'proc.name in (redis-server, redis-benchmark)'
redis-benchmark -p 6391 -q -n 20000 -c 10 -t set,get,lpush > /dev/null
wait "$recorder"

echo "a container host"
root=$work/root
mkdir -p "$root/bin" "$root/tmp" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in sh ls cat wget httpd sleep; do ln -s busybox "$root/bin/$name"; done
tar -C "$root" -cf "$work/root.tar" .
dockerd --data-root "$work/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
    --host "unix://$work/docker.sock" > "$work/dockerd.log" 2>&1 &
started="$started $!"
export DOCKER_HOST="unix://$work/docker.sock"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    docker version > /dev/null 2>&1 && break
    sleep 0.5
done
docker import "$work/root.tar" shop:1.0 > /dev/null
docker run -d --name web shop:1.0 /bin/httpd -f -p 8080 -h /etc > /dev/null
address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
record 8 containers 'container.id != host'
docker run --rm --name job shop:1.0 /bin/sh -c 'for i in 1 2 3 4 5; do echo $i >> /tmp/log; sleep 0.2; done; cat /tmp/log'
docker run --rm --name client shop:1.0 /bin/sh -c "for i in 1 2 3; do wget -q -O - http://$address:8080/hostname; done"
docker exec web /bin/sh -c 'ls /etc; cat /etc/hosts > /tmp/copy'
wait "$recorder"
docker rm -f web > /dev/null

picture() {
    TZ=UTC scap view "$1.scap" --size 104x30 --script "$3" --screenshot "$2.svg"
}
cd "$out"
picture nginx nginx-errors '7<Down><Enter>'
picture nginx nginx-spectrogram '0<Tab><Tab><Tab>'
picture redis redis-syscalls '8'
picture redis redis-echo ':fd.sport=6391 and proc.name=redis-server<Enter>2<Down><Down>e'
picture containers containers '0'
picture containers container-commands '0<Enter>6'
ls -l
