#!/bin/sh
# Makes the secrets of compose.yaml in a new folder: sudo sh make-secrets.sh FOLDER
# Each file belongs to the user of the one container that reads it, which is why only root can make them.
set -eu
umask 077
mkdir "$1" # fails where it is there already: another authority-secret would lock the authority out of its own keys
cd "$1"

keep() { # FILE USER, from standard input
  cat > "$1"
  chmod 400 "$1"
  chown "$2:$2" "$1"
}
password() { openssl rand -hex 32; } # stands in a URL as it is

amesh=1000 database=999 # the users of the images

openssl rand -base64 32 | keep authority-secret $amesh
password | keep authority-passphrase $amesh
password | keep gateway-passphrase $amesh

postgres=$(password)
echo "$postgres" | keep postgres-password $database
echo "postgres://amesh:$postgres@postgres:5432/amesh" | keep authority-database-url $amesh

# Each program reaches its own keys in Redis, by the commands that it sends. Whoever names no user may ask whether it
# lives, and nothing else. What is in parentheses counts for those keys alone: the gateway reads revocations, it writes none.
{
  echo "user default on nopass resetchannels -@all +ping"
  while read -r user rights; do
    secret=$(password)
    echo "user $user on >$secret resetchannels -@all +@connection -@admin -@dangerous +info $rights"
    echo "redis://$user:$secret@redis:6379" | keep "$user-redis-url" $amesh
  done << 'USERS'
relay ~{amesh-relay}:* &{amesh-relay}:* +eval +evalsha +time +exists +pexpire +del +incr +hset +hget +hmget +hexists +hincrby +lpush +ltrim +lindex +publish +subscribe +pubsub|numsub
authority ~ar:* +eval +get +set
gateway ~am:* +eval +evalsha +get +set (~ar:devices +eval +xrange)
USERS
} | keep redis-users $database
