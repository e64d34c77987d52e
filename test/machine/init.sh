#!/bin/bash
# The first process of the machine that machine_test.go boots. The kernel hands it WR_SHARE, the host's directory that is
# /run/share here, and WR_MODE: plain runs the suite and ends; systemd makes way for systemd, whose unit runs it.
# Nothing of the host is written to but that directory: the rest is mounted read-only, or new and in memory.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mount -t tmpfs -o mode=755 var /var
mount -t tmpfs -o mode=755 opt /opt
mount -t tmpfs -o mode=755 etc /etc
mkdir -p /run/share /opt/workspace-router /etc/systemd/system /var/{log,lib,tmp,cache}
mount -t hostfs -o "$WR_SHARE" share /run/share
cp /run/share/bin/* /opt/workspace-router/
printf '%s\n' root:x:0:0:root:/root:/bin/bash messagebus:x:100:101::/:/bin/false \
	workspace-router:x:900:900::/:/bin/false nobody:x:65534:65534::/:/bin/false >/etc/passwd
printf '%s\n' root:x:0: messagebus:x:101: workspace-router:x:900: nogroup:x:65534: >/etc/group
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >/etc/nsswitch.conf
echo '127.0.0.1 localhost' >/etc/hosts
echo 0123456789abcdef0123456789abcdef >/etc/machine-id

if [[ $WR_MODE == systemd ]]; then
	cp /run/share/units/* /etc/systemd/system/
	exec /lib/systemd/systemd --unit=suite.target --log-target=console --show-status=no
fi
mount -t devtmpfs dev /dev 2>/dev/null
mount -t cgroup2 cgroup /sys/fs/cgroup
echo '+memory +pids' >/sys/fs/cgroup/cgroup.subtree_control
/run/share/run.sh
halt -f -p
