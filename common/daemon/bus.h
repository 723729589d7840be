#pragma once

/* Links over ZeroMQ ROUTER/DEALER on ipc://. Frames [identity][Header][body].
 * A connection is one socket `X` for control and, for capabilities with streams,
 * a second one `X.data`. Never blocks; high-water marks, message sizes and
 * heartbeats (1 s / 3 s) are set on every socket; at most 64 messages per socket
 * and turn. One ZeroMQ context with one thread per process, made at first use:
 * block signals before. */

#include "common/daemon/link.h"
#include "common/daemon/rpc.h"

#define BUS_MESSAGE_MAX (1 << 20) /* control; data messages are at most LINK_DATA_MAX */
/* Received messages ZeroMQ keeps per peer while we do not read. Beyond all that a peer which keeps
 * the rules has outstanding at once: libzmq 4.3 aborts the process when a peer dies while it keeps
 * as many as the mark, and its heartbeat comes before we read (assertion !_io_error). Calls that
 * timed out lie there, too: 512 in each second bring it to the mark in 16 s without one read. */
#define BUS_CONTROL_MARK 8192 /* 512 calls of 64 MiB, what cancels them, events */
#define BUS_DATA_MARK    1024 /* 256 units of 64 KiB, and their credit */
#define BUS_PEERS_MAX    1024

struct loop;
struct channel_acceptor;

struct bus_server;

struct bus_server_options {
        const char *path;    /* socket path; data is path + ".data" */
        int fd, data_fd;     /* listening sockets, taken over; data_fd -1: no streams */
        const char *service; /* our own name in the hello */
        const struct link_policy *policy;  /* NULL: own uid and root */
        struct rpc_server *rpc;            /* NULL: no calls are served */
        struct channel_acceptor *acceptor; /* NULL: no streams are accepted (channel.h) */
};
/* Returns 0 or a fault (the descriptors are closed). */
int bus_server_new(struct loop *loop, const struct bus_server_options *o, struct bus_server **ret);
struct bus_server *bus_server_free(struct bus_server *s); /* peers see it gone; always NULL */
DEFINE_CLEANUP(struct bus_server *, bus_server_free);

struct bus_client;

struct bus_client_options {
        const char *path;
        const char *service;               /* our own name */
        bool data;                         /* connect path + ".data" too */
        struct channel_acceptor *acceptor; /* streams the server opens to us; NULL: refused */
};
/* Connects and reconnects by itself (back-off 50 ms to 2 s). Returns 0 or a fault;
 * a server that is not there yet is none. */
int bus_client_new(struct loop *loop, const struct bus_client_options *o, struct bus_client **ret);
struct bus_client *bus_client_free(struct bus_client *c);
DEFINE_CLEANUP(struct bus_client *, bus_client_free);
struct link *bus_client_link(struct bus_client *c); /* for rpc_client_new(), channel_open() */

/* For service code: server of capability `name` on a passed listener (listen.h),
 * client of capability `name` below `runtime`. CAPABILITY_STREAMS get the data socket. */
struct service_context;
int bus_serve(struct service_context *ctx, const char *name, struct rpc_server *rpc,
              struct channel_acceptor *acceptor, struct bus_server **ret);
int bus_connect(struct service_context *ctx, const char *name, struct channel_acceptor *acceptor,
                struct bus_client **ret);
