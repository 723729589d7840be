#include "services/transport/shell/lookup.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/error.h"
#include "common/base/memory.h"

#define NAME_SIZE 256

struct entry {
        struct multiaddr address;
        unsigned depth;
};

struct search {
        const struct endpoint *server;
        struct dns *dns;
        nsec_t deadline;
        struct peer_id wanted; /* none: anybody */
        size_t n_entries, n_found;
        struct entry entries[LOOKUP_ENTRIES_MAX];
        struct endpoint *found;
        uint8_t answer[DNS_ANSWER_MAX];
};

static nsec_t now(void) {
        struct timespec ts;

        check(clock_gettime(CLOCK_BOOTTIME, &ts) == 0);
        return (nsec_t) ts.tv_sec * NSEC_PER_SEC + (nsec_t) ts.tv_nsec;
}

static bool copy_name(struct bytes name, const char *prefix, char ret[NAME_SIZE]) {
        if (memchr(name.data, '\0', name.len))
                return false;
        return snprintf(ret, NAME_SIZE, "%s%.*s", prefix, (int) name.len,
                        (const char *) name.data) < NAME_SIZE;
}

static void add_found(struct search *s, const struct endpoint *e) {
        if (s->n_found < DIAL_NAME_RESULTS)
                s->found[s->n_found++] = *e;
}

/* ---- the machine's resolver ---- */

static void take_addrinfo(struct search *s, const struct addrinfo *a) {
        struct endpoint e;

        if (a->ai_family == AF_INET) {
                const struct sockaddr_in *in = (const void *) a->ai_addr;

                e = endpoint_ip4((const uint8_t *) &in->sin_addr, ntohs(in->sin_port));
        } else if (a->ai_family == AF_INET6) {
                const struct sockaddr_in6 *in = (const void *) a->ai_addr;

                e = endpoint_ip6(in->sin6_addr.s6_addr, in->sin6_scope_id, ntohs(in->sin6_port));
        } else {
                return;
        }
        add_found(s, &e);
}

static void ask_machine(struct search *s, const char *name, uint16_t port,
                        enum endpoint_family family) {
        const struct addrinfo hints = { .ai_family = family == ENDPOINT_IP4   ? AF_INET
                                                     : family == ENDPOINT_IP6 ? AF_INET6
                                                                              : AF_UNSPEC,
                                        .ai_socktype = SOCK_DGRAM,
                                        .ai_flags = AI_ADDRCONFIG };
        struct addrinfo *list = NULL;
        char text[8];

        (void) snprintf(text, sizeof(text), "%u", port);
        if (getaddrinfo(name, text, &hints, &list) != 0)
                return;
        for (const struct addrinfo *a = list; a; a = a->ai_next)
                take_addrinfo(s, a);
        freeaddrinfo(list);
}

/* ---- a server of our choice ---- */

static struct bytes ask(struct search *s, const char *name, enum dns_type type) {
        ptrdiff_t n = dns_ask(s->dns, name, type, nsec_sub(s->deadline, now()), s->answer);

        return n < 0 ? BYTES_NONE : BYTES(s->answer, (size_t) n);
}

static void ask_server(struct search *s, const char *name, uint16_t port,
                       enum endpoint_family family) {
        if (family != ENDPOINT_IP4)
                s->n_found += dns_addresses(ask(s, name, DNS_AAAA), DNS_AAAA, port,
                                            s->found + s->n_found, DIAL_NAME_RESULTS - s->n_found);
        if (family != ENDPOINT_IP6)
                s->n_found += dns_addresses(ask(s, name, DNS_A), DNS_A, port, s->found + s->n_found,
                                            DIAL_NAME_RESULTS - s->n_found);
}

/* ---- one entry after the other ---- */

static bool leads_to_wanted(const struct search *s, const struct multiaddr *a) {
        struct peer_id id;

        return peer_id_is_none(&s->wanted) ||
               (multiaddr_peer(a, &id) && peer_id_equal(&id, &s->wanted));
}

/* Entries that are names themselves wait behind those that are there already. */
static void take_entries(struct search *s, struct bytes host, unsigned depth) {
        CLEANUP(freep)
        struct multiaddr *list = xnew_n(struct multiaddr, LOOKUP_ENTRIES_MAX);
        char name[NAME_SIZE];
        size_t n;

        if (depth >= LOOKUP_DEPTH_MAX || !copy_name(host, "_dnsaddr.", name))
                return;
        n = dns_multiaddrs(ask(s, name, DNS_TXT), list, LOOKUP_ENTRIES_MAX);
        for (size_t i = 0; i < n && s->n_entries < LOOKUP_ENTRIES_MAX; i++)
                if (leads_to_wanted(s, &list[i]))
                        s->entries[s->n_entries++] =
                                (struct entry){ .address = list[i], .depth = depth + 1 };
}

static void follow(struct search *s, const struct entry *e) {
        enum endpoint_family family;
        struct endpoint endpoint;
        char name[NAME_SIZE];
        struct bytes text;
        uint16_t port;

        if (multiaddr_dnsaddr(&e->address, &text)) {
                take_entries(s, text, e->depth);
        } else if (multiaddr_name(&e->address, &text, &port, &family)) {
                if (copy_name(text, "", name))
                        (s->server ? ask_server : ask_machine)(s, name, port, family);
        } else if (multiaddr_is_dialable_quic(&e->address) &&
                   multiaddr_endpoint(&e->address, &endpoint)) {
                add_found(s, &endpoint);
        }
}

size_t lookup(const struct endpoint *server, const struct multiaddr *address,
              struct endpoint ret[DIAL_NAME_RESULTS]) {
        CLEANUP(freep) struct search *s = xnew(struct search);
        size_t n;

        s->server = server;
        s->dns = dns_new(server);
        s->deadline = nsec_add(now(), LOOKUP_PATIENCE);
        s->found = ret;
        (void) multiaddr_peer(address, &s->wanted);
        s->entries[s->n_entries++].address = *address;
        for (size_t i = 0; i < s->n_entries && now() < s->deadline; i++) {
                struct entry e = s->entries[i];

                follow(s, &e);
        }
        n = s->n_found;
        s->dns = dns_free(s->dns);
        return n;
}
