#!/usr/bin/env bash
# PostgreSQL, RabbitMQ, sshd and a Slurm cluster on this one machine: Debian 12 as root, from its packages, without systemd,
# everything on loopback and below one folder. For tests; nothing of it is safe or durable enough for anything else.
#
#   .ci/cluster.sh up               install and start what is missing; writes $CLUSTER/cluster.json, which tells tests of it
#   .ci/cluster.sh down             stop it and remove the folder; the packages stay
#   .ci/cluster.sh start|stop|kill SERVICE...      kill is kill -9
#
# services: postgres rabbitmq sshd munge slurmctld cn1 cn2 cn3      (cn1 is partition "engine"; cn2 and cn3 are "dft")
set -euo pipefail
C=${CLUSTER:-/var/tmp/aiida-mtp-cluster}
POSTGRES_PORT=54329 RABBITMQ_PORT=56729 SSH_PORT=22229 SLURM_PORT=16817 # + 1, 2, 3: the nodes
ALL='postgres rabbitmq munge slurmctld cn1 cn2 cn3 sshd'
export SLURM_CONF=$C/slurm.conf LC_ALL=C.UTF-8

die() { echo "cluster.sh: $*" >&2; exit 1; }
as() { setpriv --reuid "$1" --regid "$1" --init-groups "${@:2}"; }
detached() { setsid nohup "$@" >>"$C/log/start.log" 2>&1 </dev/null & }
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
wait_for() { # wait_for WHAT COMMAND...
    local _
    for _ in $(seq 600); do "${@:2}" >/dev/null 2>&1 && return; sleep 0.1; done
    tail -n 5 "$C/log/start.log" >&2
    die "$1 does not start; see $C/log"
}

install_packages() {
    local package missing=()
    for package in postgresql rabbitmq-server munge slurmctld slurmd slurm-client openssh-server openssh-client; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    echo "cluster.sh: installing ${missing[*]}" >&2
    local policy=/usr/sbin/policy-rc.d own=
    [ -e $policy ] || { own=1; printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; } # packages start nothing
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$C/log/apt.log" 2>&1 || {
        tail -n 5 "$C/log/apt.log" >&2
        die 'apt-get failed'
    }
    [ -z "$own" ] || rm $policy
}

configure() {
    [ -e "$C/cluster.json" ] && return
    local host password
    host=$(hostname -s) password=$(head -c 18 /dev/urandom | base64 | tr '+/' 'xy')
    rm -rf "$C"/{postgres,rabbitmq,munge,munge.run,slurm,home} # of an attempt that was interrupted
    mkdir -p "$C/slurm" "$C/home/.ssh"
    chmod 700 "$C/home/.ssh"

    install -d -o postgres -g postgres -m 700 "$C/postgres"
    install -o postgres -m 600 /dev/null "$C/password"
    echo "$password" >"$C/password"
    as postgres "$(echo /usr/lib/postgresql/*/bin/initdb)" -D "$C/postgres" -U postgres -A scram-sha-256 \
        --pwfile="$C/password" -E UTF8 --locale=C.UTF-8 --no-sync >>"$C/log/start.log" 2>&1
    rm "$C/password"

    mkdir -p "$C/rabbitmq/home"
    printf 'listeners.tcp.1 = 127.0.0.1:%s\nlog.console = false\n' $RABBITMQ_PORT >"$C/rabbitmq/rabbitmq.conf"
    # AiiDA keeps a message as long as its process lives; after the default half an hour it would be delivered, and run, again
    echo '[{rabbit,[{consumer_timeout,undefined}]},{kernel,[{inet_dist_use_interface,{127,0,0,1}}]}].' >"$C/rabbitmq/advanced.config"
    echo '[].' >"$C/rabbitmq/enabled_plugins"
    cat >"$C/rabbitmq/env.conf" <<EOF
NODENAME=aiida-mtp@localhost
DIST_PORT=25699
CONFIG_FILE=$C/rabbitmq/rabbitmq.conf
ADVANCED_CONFIG_FILE=$C/rabbitmq/advanced.config
ENABLED_PLUGINS_FILE=$C/rabbitmq/enabled_plugins
MNESIA_BASE=$C/rabbitmq/mnesia
LOG_BASE=$C/rabbitmq/log
SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none"
EOF
    chown -R rabbitmq: "$C/rabbitmq"

    install -d -o munge -g munge -m 700 "$C/munge"
    install -d -o munge -g munge -m 755 "$C/munge.run"
    install -o munge -g munge -m 400 /dev/null "$C/munge/key"
    head -c 1024 /dev/urandom >"$C/munge/key"
    # linuxproc and task/none: there are no cgroups; config_overrides: nodes may have more processors than the machine;
    # the intervals: a test must not wait for the scheduler; JobFileAppend: what a requeued job wrote before stays
    cat >"$SLURM_CONF" <<EOF
ClusterName=aiida-mtp
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$C/munge.run/socket
SlurmctldPort=$SLURM_PORT
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$C/slurm/slurmctld
SlurmdSpoolDir=$C/slurm/%n
SlurmctldPidFile=$C/run/slurmctld
SlurmdPidFile=$C/run/%n
SlurmctldLogFile=$C/log/slurmctld.log
SlurmdLogFile=$C/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,bf_interval=1,batch_sched_delay=0
ReturnToService=2
JobFileAppend=1
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=5
FirstJobId=1
DebugFlags=NO_CONF_HASH
$(for n in 1 2 3; do echo "NodeName=cn$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$((SLURM_PORT + n)) CPUs=8 RealMemory=1000"; done)
PartitionName=engine Nodes=cn1 Default=YES MaxTime=INFINITE State=UP
PartitionName=dft Nodes=cn[2-3] MaxTime=INFINITE State=UP
EOF

    ssh-keygen -q -t ed25519 -N '' -f "$C/home/.ssh/host"
    ssh-keygen -q -t ed25519 -N '' -f "$C/home/.ssh/id"
    echo "[127.0.0.1]:$SSH_PORT $(cut -d' ' -f1,2 "$C/home/.ssh/host.pub")" >"$C/home/.ssh/known_hosts"
    cat >"$C/home/.ssh/config" <<EOF
Host dft-cluster
  HostName 127.0.0.1
  Port $SSH_PORT
  User root
  IdentityFile $C/home/.ssh/id
  UserKnownHostsFile $C/home/.ssh/known_hosts
EOF
    cat >"$C/home/.ssh/sshd_config" <<EOF
Port $SSH_PORT
ListenAddress 127.0.0.1
HostKey $C/home/.ssh/host
AuthorizedKeysFile $C/home/.ssh/id.pub
PidFile $C/run/sshd
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxSessions 100
MaxStartups 200
SetEnv SLURM_CONF=$SLURM_CONF
Subsystem sftp internal-sftp
EOF

    install -m 600 /dev/null "$C/cluster.json"
    cat >"$C/cluster.json" <<EOF
{
 "control": "$(realpath "$0")",
 "folder": "$C",
 "environment": {"CLUSTER": "$C", "SLURM_CONF": "$SLURM_CONF", "HOME": "$C/home"},
 "postgres": {"database_hostname": "127.0.0.1", "database_port": $POSTGRES_PORT, "database_username": "postgres", "database_password": "$password"},
 "rabbitmq": {"broker_protocol": "amqp", "broker_host": "127.0.0.1", "broker_port": $RABBITMQ_PORT, "broker_username": "guest", "broker_password": "guest", "broker_virtual_host": ""}
}
EOF
}

rabbitmq() {
    (cd "$C/rabbitmq" && HOME=$C/rabbitmq/home RABBITMQ_CONF_ENV_FILE=$C/rabbitmq/env.conf RABBITMQ_PID_FILE=$C/rabbitmq/pid \
        ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=43699 exec setpriv --reuid rabbitmq --regid rabbitmq --clear-groups "/usr/lib/rabbitmq/bin/$@")
}

pid_of() { # prints the process of a service, if it runs
    local file pid
    case $1 in
    postgres) file=$C/postgres/postmaster.pid ;;
    rabbitmq) file=$C/rabbitmq/pid ;;
    munge) file=$C/munge.run/pid ;;
    *) file=$C/run/$1 ;;
    esac
    pid=$(head -n 1 "$file" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

start() {
    pid_of "$1" >/dev/null && return
    case $1 in
    postgres)
        as postgres "$(echo /usr/lib/postgresql/*/bin/pg_ctl)" -D "$C/postgres" -w -l "$C/postgres/log" -o "-p $POSTGRES_PORT \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories=$C/postgres -c max_connections=200" start >>"$C/log/start.log"
        ;;
    rabbitmq)
        detached bash "$0" _rabbitmq
        wait_for RabbitMQ answers $RABBITMQ_PORT
        ;;
    munge)
        as munge munged --key-file "$C/munge/key" --socket "$C/munge.run/socket" --pid-file "$C/munge.run/pid" \
            --log-file "$C/munge/log" --seed-file "$C/munge/seed"
        ;;
    slurmctld)
        mkdir -p "$C/slurm/slurmctld"
        # the number of a job that it has forgotten is never given again: nodes that know it would be drained
        sed -i "s/^FirstJobId=.*/FirstJobId=$(($(date +%s) % 60000000 + 1))/" "$SLURM_CONF"
        slurmctld
        wait_for slurmctld scontrol ping
        pid_of cn1 >/dev/null || return 0
        # a job younger than the state it had saved is unknown to it, and the node of the job is drained
        wait_for 'the nodes' eval "! sinfo -h -o %t | grep -q unk"
        scontrol update nodename=cn[1-3] state=resume 2>/dev/null || true # refused where nothing is drained
        ;;
    cn*)
        mkdir -p "$C/slurm/$1"
        slurmd -N "$1"
        # one that was killed in the middle of a job may come back down or drained; refused where it is neither
        wait_for "node $1" eval "scontrol update nodename=$1 state=resume; sinfo -h -n $1 -o %T | grep -qxE 'idle|mixed|allocated|completing'"
        ;;
    sshd)
        mkdir -p /run/sshd
        /usr/sbin/sshd -f "$C/home/.ssh/sshd_config" -E "$C/log/sshd.log"
        wait_for sshd answers $SSH_PORT
        ;;
    *) die "no service $1; there are $ALL" ;;
    esac
}

end() { # end SIGNAL SERVICE: with what it has started, as a machine that goes down would
    local pid _
    pid=$(pid_of "$2") || return 0
    local family=$pid
    case $1:$2 in
    KILL:cn*) family="$pid $(jobs_of "$2")" ;;
    KILL:sshd) family="$pid $(descendants "$pid")" ;;
    esac
    # shellcheck disable=SC2086 # several numbers
    kill -s "$1" $family 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
    kill -s KILL "$pid"
}

jobs_of() { # prints the processes of the jobs of a node, and those that watch them
    local process
    for process in $(grep -lsz "^SLURMD_NODENAME=$1$" /proc/[0-9]*/environ | cut -d/ -f3); do
        echo "$process"
        pgrep -x slurmstepd | grep -x "$(ps -o ppid= "$process" | tr -d ' ')" || true
    done
}

descendants() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do echo "$child"; descendants "$child"; done
}

up() {
    install_packages
    configure
    local service waiting=()
    start munge
    for service in postgres rabbitmq sshd slurmctld; do (start $service) & waiting+=($!); done
    for service in "${waiting[@]}"; do wait "$service"; done
    for service in cn1 cn2 cn3; do start $service; done
    echo "$C/cluster.json"
}

down() {
    local service
    [ -d "$C" ] || return 0
    for service in sshd cn1 cn2 cn3 slurmctld munge rabbitmq; do end TERM $service; done
    ERL_EPMD_PORT=43699 epmd -kill >/dev/null 2>&1 || true
    end INT postgres
    [ ! -e "$C/cluster.json" ] || rm -rf "$C"
}

[ "$(id -u)" = 0 ] || die 'must be root'
trap 'tail -n 5 "$C/log/start.log" >&2' ERR
mkdir -p "$C/log" "$C/run"
case ${1:-} in
up) up ;;
down) down ;;
start) for service in "${@:2}"; do start "$service"; done ;;
stop) for service in "${@:2}"; do end TERM "$service"; done ;;
kill) for service in "${@:2}"; do end KILL "$service"; done ;;
_rabbitmq) rabbitmq rabbitmq-server ;;
*) sed -n 2,9p "$0"; exit 2 ;;
esac
