#pragma once

/* A connection to one peer process, as rpc.c and channel.c see it; bus.c and
 * seqpacket.c make them. Keeps message boundaries and order (per path: control
 * and data do not wait for each other). A client's link lives on through
 * reconnections and goes down and up; a server's link is freed when the peer is
 * gone. Services hold links only to hand them to rpc.h and channel.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/refbuf.h"

#define LINK_FDS_MAX  64
#define LINK_DATA_MAX (64 << 10)

/* Drawn once per process. Another number on the other side: another process. */
uint64_t link_instance(void);

struct link_peer {
        uint64_t instance;
        char service[24]; /* what it calls itself; trust the socket, not this */
        uid_t uid;
        gid_t gid;
        pid_t pid; /* of connect time: for logs only, never for a decision */
};

/* Who may connect to a socket: root, and
 * - where each service has a uid of its own (common/daemon/account.h): the services of
 *   our node whose row of the capability table has this socket, nobody else;
 * - else our own uid, and people let in by the file. */
struct link_policy {
        bool by_file; /* whomever the mode and group of the socket's file let through: people */
        const char *capability; /* "keyring/host": services of its row, by their accounts
                                   (account.h), and then nobody by file. NULL: none. Borrowed */
};
bool link_policy_allows(const struct link_policy *p, uid_t uid); /* NULL: own and root */
/* The same, said by who we are: for tests. */
bool link_policy_allows_as(const struct link_policy *p, uid_t own, uid_t uid);

struct frame {
        struct Bus__Header *header;
        struct bytes body;
        struct refbuf *refbuf; /* when not NULL, body points into it and is not copied */
        int *fds;              /* received ones: the taker sets its entries to -1 */
        size_t n_fds;
};

enum link_result {
        LINK_OK = 0,
        LINK_E_FULL, /* the peer does not read, and no more can be kept for it */
        LINK_E_DOWN, /* no peer there */
        LINK_E_SIZE, /* longer than this link carries */
};

struct link;
struct link_ops {
        int (*send)(struct link *l, const struct frame *f,
                    bool data); /* enum link_result or a fault */
        /* Misbehaving peer: cut, log, and refuse that instance from now on. Asynchronous:
         * down() comes later, from the loop. */
        void (*drop)(struct link *l, const char *why);
        /* The same without refusing it: it may have stood still, and comes again. */
        void (*end)(struct link *l, const char *why);
};

/* One user of a link; rpc and channel sit side by side on one. Frames go to the
 * user whose `kinds` (bit 1 << Kind) has them, no two users share one; a frame
 * nobody takes drops the peer. */
struct link_user {
        struct list in_link;
        uint32_t kinds;
        struct link *link;
        uint64_t told;
        void (*up)(struct link_user *u);                      /* peer known, may send */
        int (*receive)(struct link_user *u, struct frame *f); /* 0 or a fault of ours */
        void (*down)(struct link_user *u); /* peer gone; a server's link is freed after it */
};

struct link {
        const struct link_ops *ops;
        struct loop *loop;
        struct link_peer peer; /* valid while is_up */
        bool is_up, is_server; /* server: the other side connected to us */
        bool has_data;         /* a data path beside control */
        uint64_t turn;
        struct list users;
};

void link_init(struct link *l, const struct link_ops *ops, struct loop *loop);
void link_attach(struct link *l, struct link_user *u); /* calls up() at once when it is up */
void link_detach(struct link_user *u);                 /* harmless twice */
int link_send(struct link *l, const struct frame *f, bool data);
void link_drop(struct link *l, const char *why);
void link_end(struct link *l, const char *why);

/* For bus.c and seqpacket.c. link_came_up() with another instance than before
 * first tells the users that the old one is gone. */
void link_came_up(struct link *l, const struct link_peer *peer);
void link_went_down(struct link *l);
int link_received(struct link *l, struct frame *f);

/* Headers on the wire, bounded: at most LINK_HEADER_MAX bytes, and unpacked without
 * the heap. Pack returns 0 when it does not fit, unpack NULL when it is not one. */
#define LINK_HEADER_MAX 1024
struct link_header_space {
        size_t used;
        _Alignas(16) uint8_t memory[4096];
};
size_t link_header_pack(const struct Bus__Header *h, uint8_t ret[LINK_HEADER_MAX]);
struct Bus__Header *link_header_unpack(struct bytes in, struct link_header_space *space);

/* The hello we send, and what one says. Returns its length, 0 or false: not one. */
size_t link_hello_pack(const char *service, uint64_t connection, bool data, uint8_t *ret,
                       size_t size);
bool link_hello_unpack(struct bytes in, struct link_peer *ret_peer, uint64_t *ret_connection,
                       bool *ret_data);
