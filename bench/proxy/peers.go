package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// peer is a proxy that people know, tuned as its manual says for many small requests to one worker.
type peer struct {
	name, program string
	config        string // with where to listen, the worker's socket, and a directory
	arguments     func(config string) []string
}

var peers = []peer{
	{nginx, "usr/sbin/nginx", `
user root; daemon off; master_process on; worker_processes 2; pid %[3]s/nginx.pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; proxy_buffering off; proxy_request_buffering off; client_max_body_size 0;
  client_body_temp_path %[3]s/t1; proxy_temp_path %[3]s/t2; fastcgi_temp_path %[3]s/t3; uwsgi_temp_path %[3]s/t4; scgi_temp_path %[3]s/t5;
  upstream worker { server unix:%[2]s; keepalive 1024; keepalive_requests 1000000000; }
  server { listen %[1]s backlog=4096; location / { proxy_pass http://worker; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } }
}
`, func(config string) []string {
		return []string{"-c", config, "-p", filepath.Dir(config), "-e", "stderr"}
	}},
	{haproxy, "usr/sbin/haproxy", `
global
  nbthread 2
  maxconn 4000
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind %[1]s
  default_backend b
backend b
  option abortonclose
  server w unix@%[2]s pool-max-conn 2048
# %[3]s
`, func(config string) []string { return []string{"-db", "-f", config} }},
	{caddy, "usr/bin/caddy", `
{
  admin off
  auto_https off
  storage file_system %[3]s
}
http://%[1]s {
  reverse_proxy unix/%[2]s {
    flush_interval -1
    transport http {
      keepalive_idle_conns_per_host 2048
      compression off
    }
  }
}
`, func(config string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} }},
}

// find gives the program, in the directory of unpacked packages or in PATH.
func (p *peer) find(unpacked string) (string, bool) {
	if unpacked != "" {
		path := filepath.Join(unpacked, p.program)
		_, err := os.Stat(path)
		return path, err == nil
	}
	path, err := exec.LookPath(filepath.Base(p.program))
	return path, err == nil
}

// startPeers starts those that are there.
func (f *field) startPeers(ctx context.Context, o options, dir, socket string) error {
	for _, p := range peers {
		program, found := p.find(o.peers)
		if !found {
			continue
		}
		address, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		config := filepath.Join(dir, filepath.Base(p.program)+".conf")
		if err := os.WriteFile(config, fmt.Appendf(nil, p.config, address, socket, dir), 0o600); err != nil {
			return err
		}
		command := exec.CommandContext(ctx, program, p.arguments(config)...)
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LD_LIBRARY_PATH=" + filepath.Join(o.peers, "usr/lib/x86_64-linux-gnu")}
		log, err := os.Create(config + ".log")
		if err != nil {
			return err
		}
		command.Stderr = log
		err = command.Start()
		log.Close()
		if err != nil {
			return fmt.Errorf("cannot start %s: %w", p.name, err)
		}
		f.subjects = append(f.subjects, &subject{name: p.name, command: command, address: address})
		if err := await(ctx, address); err != nil {
			text, _ := os.ReadFile(config + ".log")
			return fmt.Errorf("cannot measure %s: %w: %s", p.name, err, text)
		}
	}
	return nil
}

// freeAddress finds a port for a program that cannot be asked which it took.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
