#pragma once

/* Links over SOCK_SEQPACKET, without libzmq: keyring, worker and executor. One
 * packet is one message: header length (2 bytes, big-endian), Header, body; at
 * most SEQPACKET_MAX bytes. Descriptors travel beside it (SCM_RIGHTS). Peer
 * credentials are SO_PEERCRED. */

#include "common/daemon/link.h"
#include "common/daemon/rpc.h"

#define SEQPACKET_MAX (200 << 10)

struct loop;

/* ---- server ---- */

struct seqpacket_server;

/* `listen_fd` is taken over. policy NULL: own uid and root. `max_peers` at a time,
 * further ones are closed at once. Returns 0 or a fault. */
int seqpacket_server_new(struct loop *loop, int listen_fd, const struct link_policy *policy,
                         struct rpc_server *rpc, unsigned max_peers, struct seqpacket_server **ret);
struct seqpacket_server *seqpacket_server_free(struct seqpacket_server *s);
DEFINE_CLEANUP(struct seqpacket_server *, seqpacket_server_free);

/* ---- both ends of a socketpair (worker and zygote) ---- */

struct seqpacket;

/* Serves calls on one connected socket, or (rpc NULL) is the calling side of it;
 * `fd` is taken over. Down when the other end closes; it does not come back. */
int seqpacket_new(struct loop *loop, int fd, struct rpc_server *rpc, struct seqpacket **ret);
/* Client that connects to `path` and reconnects with back-off (20 ms to 2 s). */
int seqpacket_connect(struct loop *loop, const char *path, struct seqpacket **ret);
struct seqpacket *seqpacket_free(struct seqpacket *s);
DEFINE_CLEANUP(struct seqpacket *, seqpacket_free);
struct link *seqpacket_link(struct seqpacket *s);

/* ---- blocking client, no loop ---- */

struct seqpacket_caller;

struct seqpacket_caller *seqpacket_caller_new(const char *path,
                                              const ProtobufCServiceDescriptor *service);
struct seqpacket_caller *seqpacket_caller_free(struct seqpacket_caller *c);
DEFINE_CLEANUP(struct seqpacket_caller *, seqpacket_caller_free);

/* Connects when it has to, calls, waits at most `timeout`. Returns 0 and the reply
 * (valid until the next call on c); a positive code: the service's own answer or
 * enum rpc_status; or a fault. After a timeout or a fault it reconnects next time. */
int seqpacket_call(struct seqpacket_caller *c, const char *method, const void *message,
                   nsec_t timeout, const void **ret_reply);

/* ---- raw packets: executors, tests, fuzzing ---- */

/* At most LINK_FDS_MAX. Returns 0, -EAGAIN, -EPIPE or another fault; one packet, whole. */
int seqpacket_send_raw(int fd, struct bytes packet, const int *fds, size_t n_fds);
/* `*n_fds` is the room in, the number out (CLOEXEC set). Returns the length, 0 at
 * the end, -EAGAIN, -EMSGSIZE for a packet longer than `size` (descriptors closed). */
ssize_t seqpacket_receive_raw(int fd, void *buffer, size_t size, int *fds, size_t *n_fds);
/* A connected, blocking socket, or -errno. */
int seqpacket_dial(const char *path);
