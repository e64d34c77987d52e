#!/bin/bash
# Runs one part of the suite in the machine and leaves its words and its exit status where the host reads them.
cd /run/share || exit 1
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin WORKSPACE_ROUTER_GUEST=/opt/workspace-router
./inside.test -test.v -test.timeout 8m -test.run "$(cat only)" >out 2>&1
echo $? >status
sync
