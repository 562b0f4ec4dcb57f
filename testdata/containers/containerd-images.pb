
―
!localhost:5000/team/busybox:localν
4application/vnd.docker.distribution.manifest.v2+jsonGsha256:78a2bc44e60a6254d0ef53ef4a6f2feaae4c711a785e71d93531c59427dede3d¦**
!org.opencontainers.image.ref.namelocal*=
io.containerd.image.name!localhost:5000/team/busybox:local:γό–Ψζγ•Bγό–Ψζγ•