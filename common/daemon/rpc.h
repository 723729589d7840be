#pragma once

/* Calls between processes, over any link (bus.h, seqpacket.h). One socket serves
 * one ProtobufCService; dispatch is by method name. Every call completes exactly
 * once: reply, error, timeout, or peer gone. Bounds: 512 outstanding calls per
 * peer, bodies through common/wire/unpack.h.
 *
 * Handlers either call closure(&reply, closure_data) before they return, or keep
 * `struct call *call = call_begin(closure_data, closure)` and end it later with
 * call_reply() or call_fail(), exactly once, whatever became of the caller. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "common/base/bytes.h"
#include "common/base/nsec.h"
#include "common/daemon/link.h"

#define RPC_OUTSTANDING_MAX 512
#define RPC_BYTES_MAX       (64 << 20) /* of outstanding calls of a client */
#define RPC_RECORDED_MAX    1024       /* answers kept per caller, RPC_EFFECTS */

/* Codes below 1000 are the service's own E_ answers. */
enum rpc_status {
        RPC_OK = 0,
        RPC_E_TIMEOUT = 1000,
        RPC_E_GONE, /* the peer ended or restarted: it may or may not have acted */
        RPC_E_BUSY, /* 512 outstanding, or too many bytes */
        RPC_E_UNKNOWN_METHOD,
        RPC_E_MALFORMED,
        RPC_E_QUOTA,     /* body over the unpack limits, or too big for the link */
        RPC_E_EXPIRED,   /* a retried id whose answer is no longer kept: not run again */
        RPC_E_CANCELLED, /* rpc_cancel(), or the client was freed */
        RPC_E_INTERNAL,  /* call_fail() with a negative fault, or one of ours in sending */
};
/* "timed out", …; "answer 3" for a service's own code. Never NULL; static or in ret. */
const char *rpc_status_text(uint32_t code, char ret[32]);

/* ---- server ---- */

struct rpc_server;
struct call;

enum rpc_server_flags {
        RPC_EFFECTS = 1, /* methods change something: keep answers, so that a retried id runs
                            once; a caller who disconnects does not make its call moot */
};

/* `service` (from X__INIT, first member of your own struct) must outlive it. */
struct rpc_server *rpc_server_new(struct loop *loop, const ProtobufCService *service,
                                  unsigned flags);
struct rpc_server *rpc_server_free(struct rpc_server *s); /* after its listeners; always NULL */
DEFINE_CLEANUP(struct rpc_server *, rpc_server_free);

/* Told when a peer comes or is gone, for state kept per connection (subscribers).
 * The link is valid until `gone` returns. Either may be NULL. */
typedef void (*rpc_peer_fn)(void *userdata, struct link *peer);
void rpc_server_watch(struct rpc_server *s, rpc_peer_fn came, rpc_peer_fn gone, void *userdata);
/* From now on every new call is answered with RPC_E_BUSY (drain). */
void rpc_server_refuse(struct rpc_server *s);
/* For bus.c and seqpacket.c: serves calls of a server's link that is up. */
void rpc_server_attach(struct rpc_server *s, struct link *link);
size_t rpc_server_outstanding(const struct rpc_server *s);

struct call *call_begin(void *closure_data, ProtobufCClosure closure);
/* `message` is of the method's output type; packed before this returns. */
void call_reply(struct call *c, const void *message);
void call_reply_fds(struct call *c, const void *message, const int *fds, size_t n_fds);
/* code: 1..999 own answers, enum rpc_status, or a negative fault (sent as
 * RPC_E_INTERNAL). The text is for people: one line, place and remedy. */
void call_fail(struct call *c, int code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

const struct link_peer *call_peer(const struct call *c); /* a copy: outlives the peer */
struct link *call_link(const struct call *c);            /* NULL once the peer is gone */
nsec_t call_deadline(const struct call *c);              /* NSEC_NEVER: none */
uint64_t call_trace(const struct call *c);
/* Descriptors that came with the call; take one by setting its entry to -1. */
int *call_fds(struct call *c, size_t *ret_n);
/* The caller is gone, cancelled, or past its deadline: stop working; still end the call. */
bool call_is_moot(const struct call *c);
void call_on_moot(struct call *c, void (*fn)(void *userdata), void *userdata);
/* Memory that lives until the call has ended. The input message lives as long too.
 * Never fails: sizes a peer chooses are bounded by the caller. */
void *call_alloc(struct call *c, size_t n);

/* ---- events, server to client ---- */

enum rpc_event_flags {
        RPC_EVENT_STATUS = 0, /* may be dropped when the subscriber does not read; counted */
        RPC_EVENT_MUST = 1,   /* never dropped: a subscriber who does not read loses the link */
};
/* Returns LINK_OK, LINK_E_FULL (dropped), LINK_E_DOWN, or a fault. */
int rpc_event(struct link *to, const char *name, const void *message, unsigned flags);
uint64_t rpc_events_dropped(void);

/* ---- client ---- */

struct rpc_client;

struct rpc_result {
        uint32_t code;       /* RPC_OK, the service's own answer, or enum rpc_status */
        const char *text;    /* never NULL; untrusted */
        const void *message; /* of the method's output type with RPC_OK; valid in the callback */
        int *fds;            /* take one by setting its entry to -1 */
        size_t n_fds;
};
typedef void (*rpc_done_fn)(void *userdata, const struct rpc_result *result);
typedef void (*rpc_event_fn)(void *userdata, const void *message);

/* The link must outlive it. Calls made while it is down wait for it until their deadline. */
struct rpc_client *rpc_client_new(struct link *link, const ProtobufCServiceDescriptor *service);
/* Completes what is outstanding with RPC_E_CANCELLED, then frees; always NULL. */
struct rpc_client *rpc_client_free(struct rpc_client *c);
DEFINE_CLEANUP(struct rpc_client *, rpc_client_free);

/* Timeout of what is said once when a link comes up: its end ends it, none would be long enough. */
#define RPC_WHILE_UP NSEC_NEVER
struct rpc_request {
        const char *method;  /* of the service; another name is a bug (checked) */
        const void *message; /* of the method's input type; packed before the call returns */
        nsec_t deadline;     /* instant of loop_now(); NSEC_NEVER: none */
        uint64_t id;         /* 0: a new one; else that of a call being retried */
        uint64_t trace;      /* 0: a new one */
        const int *fds;      /* seqpacket links only; duplicated */
        size_t n_fds;
        bool again;     /* after a reconnection to the same instance send it again
                           with its id instead of failing (RPC_EFFECTS servers) */
        rpc_done_fn fn; /* exactly once, never inside rpc_send(); NULL: nobody cares */
        void *userdata;
};
/* Returns the call's id, never 0. */
uint64_t rpc_send(struct rpc_client *c, const struct rpc_request *request);
/* The common case of rpc_send(). `timeout` from now. */
uint64_t rpc_call(struct rpc_client *c, const char *method, const void *message, nsec_t timeout,
                  rpc_done_fn fn, void *userdata);
/* Completes with RPC_E_CANCELLED (from the loop) and tells the server. Unknown ids are ignored. */
void rpc_cancel(struct rpc_client *c, uint64_t id);
size_t rpc_client_outstanding(const struct rpc_client *c);

/* `name` must stay; one function per name, set again to replace. Events nobody
 * asked for are counted and dropped. */
void rpc_client_on_event(struct rpc_client *c, const char *name,
                         const ProtobufCMessageDescriptor *type, rpc_event_fn fn, void *userdata);
/* up: link (again) usable, subscribe here. down: its calls complete right after. */
void rpc_client_watch(struct rpc_client *c, void (*up)(void *userdata),
                      void (*down)(void *userdata), void *userdata);
