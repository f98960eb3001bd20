#!/usr/bin/env bash
# A Slurm cluster of one machine, this one, for the tests. Needs root and Debian's slurm-wlm and munge.
# Usage: tests/cluster/start.sh start|stop
set -euo pipefail

conf=/etc/slurm/slurm.conf mark="# written by saebook's tests"
host=$(hostname -s)

refuse() { echo "$1" >&2; exit 2; }

start() {
  [ "$(id -u)" = 0 ] || refuse "a cluster of one machine is started by root"
  for command in munged slurmctld slurmd sbatch; do
    command -v "$command" >/dev/null || [ -x "/usr/sbin/$command" ] ||
      refuse "there is no $command; apt-get install slurm-wlm munge"
  done
  if [ -e "$conf" ] && ! grep -qF "$mark" "$conf"; then
    refuse "$conf belongs to a cluster of its own; it is left alone"
  fi
  mkdir -p /etc/slurm /run/munge /var/spool/slurmctld /var/spool/slurmd /var/log/slurm
  chown munge: /run/munge
  memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  cat >"$conf" <<CONF
$mark
ClusterName=saebook
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
  [ -e /etc/munge/munge.key ] || { dd if=/dev/urandom bs=1024 count=1 of=/etc/munge/munge.key 2>/dev/null; }
  chown munge: /etc/munge/munge.key
  chmod 400 /etc/munge/munge.key
  pgrep -x munged >/dev/null || su -s /bin/sh munge -c /usr/sbin/munged
  pgrep -x slurmctld >/dev/null || slurmctld -c
  pgrep -x slurmd >/dev/null || slurmd -c
  for _ in $(seq 60); do
    if [ "$(sinfo -h -o %t 2>/dev/null | head -n 1)" = idle ]; then
      sinfo
      return
    fi
    sleep 0.5
  done
  tail -n 20 /var/log/slurm/*.log >&2
  refuse "the cluster did not come up"
}

stop() {
  for daemon in slurmd slurmctld munged; do
    pid=$(cat "/run/$daemon.pid" 2>/dev/null || cat "/run/munge/$daemon.pid" 2>/dev/null || true)
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  done
  if [ -e "$conf" ] && grep -qF "$mark" "$conf"; then rm -f "$conf"; fi
}

case "${1:-}" in
start) start ;;
stop) stop ;;
*) refuse "usage: $0 start|stop" ;;
esac
