/* Which addresses this node tells others: those configured, or else those of its
 * interfaces and those at which peers were seen to reach it. */

#include "common/base/error.h"
#include "services/transport/shell/shell.h"

#define OBSERVED_ANNOUNCED_MAX 4

static bool addresses_equal(const struct addresses *a, const struct addresses *b) {
        return a->n == b->n && memcmp(a->list, b->list, a->n * sizeof(a->list[0])) == 0;
}

static bool has(const struct addresses *list, const struct multiaddr *a) {
        for (size_t i = 0; i < list->n; i++)
                if (multiaddr_equal(&list->list[i], a))
                        return true;
        return false;
}

/* A node that has interfaces is not known by its loopback address. */
static bool is_telling(const struct observed_address *o, const struct addresses *local) {
        return o->is_believed && (endpoint_scope(&o->at) != SCOPE_LOOPBACK || local->n == 0);
}

static void add_observed(const struct shell *s, struct addresses *to) {
        const struct observed *seen = transport_observed(s->transport);
        struct observed_address o;
        size_t n = 0;

        for (size_t i = 0; n < OBSERVED_ANNOUNCED_MAX && observed_address(seen, i, &o); i++) {
                struct multiaddr a = multiaddr_from_endpoint(&o.at);

                if (!is_telling(&o, &s->local) || has(to, &a) || to->n == ADDRESSES_MAX)
                        continue;
                to->list[to->n++] = a;
                n++;
        }
}

/* The sequence number must grow over restarts: it is the time. */
static void publish_addresses(struct shell *s) {
        CLEANUP(buffer_donep) struct buffer record = {};
        nsec_t now = shell_now(s);

        buffer_init(&record, IDENTIFY_MESSAGE_MAX);
        transport_set_addresses(s->transport, s->addresses.list, s->addresses.n, now);
        s->is_record_due = keys_sign_record(s->keys, (uint64_t) shell_wall_us(), s->addresses.list,
                                            s->addresses.n, &record) != 0;
        if (!s->is_record_due)
                transport_set_record(s->transport, buffer_bytes(&record), now);
        if (s->streams_service)
                streams_service_tell(s->streams_service);
}

/* Who was on the network of before need not be on this one. */
static void forget_who_is_local(struct shell *s) {
        size_t cursor = 0;
        struct peer *peer;

        while ((peer = peers_next(transport_peers(s->transport), &cursor))) {
                if (!peer->is_local)
                        continue;
                peer->is_local = false;
                watch_changed(&s->watch, peer);
        }
}

static void find_local(struct shell *s) {
        struct addresses now = {};

        for (size_t i = 0; i < s->n_outlets; i++)
                addresses_of(udp_bound(s->outlets[i].udp), &now);
        if (s->local.n > 0 && !addresses_equal(&now, &s->local)) {
                transport_network_changed(s->transport, shell_now(s));
                forget_who_is_local(s);
        }
        s->local = now;
}

void shell_find_addresses(struct shell *s) {
        struct addresses now;

        s->is_observed_new = false;
        find_local(s);
        now = s->policy->announce.n > 0 ? s->policy->announce : s->local;
        if (s->policy->announce.n == 0)
                add_observed(s, &now);
        if (addresses_equal(&now, &s->addresses) && !s->is_record_due)
                return;
        s->addresses = now;
        publish_addresses(s);
}
