/* The places of [transport] bootstrap: how each does, for who asks, and a line of the log while
 * none of them is any good. */

#include <string.h>

#include "common/base/text.h"
#include "common/daemon/log.h"
#include "services/transport/shell/places.h"

#define SAY_EVERY (15 * 60 * NSEC_PER_SEC)

static char *copy(struct call *call, const char *text) {
        size_t n = strlen(text) + 1;

        return memcpy(call_alloc(call, n), text, n);
}

/* Of one that names its peer, or whose peer was met: the book has what was tried. */
static const char *why_of_peer(const struct shell *s, const struct peer_id *peer) {
        const struct peer *p = peers_find(transport_peers(s->transport), peer);
        const struct peer_attempt *a = p ? peer_attempt(p, 0) : NULL;

        return a && !a->succeeded ? a->outcome : "";
}

struct place {
        bool is_reached;
        const char *why; /* "": not tried yet, or reached */
};

static struct place look(const struct shell *s, const struct multiaddr *addr) {
        struct place p = { .why = "" };
        struct peer_id peer = {};

        if (!multiaddr_peer(addr, &peer))
                p.why = transport_pin_why(s->transport, addr, &peer);
        if (peer_id_is_none(&peer))
                return p;
        p.is_reached = transport_connection(s->transport, &peer) != NULL;
        p.why = p.is_reached ? "" : why_of_peer(s, &peer);
        return p;
}

void places_describe(const struct shell *s, struct call *call, Transport__StatusReply *ret) {
        const struct addresses *places = &s->policy->bootstrap;
        char at[MULTIADDR_TEXT_SIZE];

        ret->places = call_alloc(call, (places->n + 1) * sizeof(*ret->places));
        for (size_t i = 0; i < places->n; i++) {
                struct place p = look(s, &places->list[i]);
                Types__Place *out = call_alloc(call, sizeof(*out));

                types__place__init(out);
                out->where = copy(call, multiaddr_text(&places->list[i], at));
                out->reached = p.is_reached;
                out->why = copy(call, p.why);
                ret->places[ret->n_places++] = out;
        }
}

void places_tick(struct shell *s) {
        const struct addresses *places = &s->policy->bootstrap;
        char at[MULTIADDR_TEXT_SIZE], why[512];

        if (s->metrics.n_connections > 0)
                s->places_at = 0;
        if (s->metrics.n_connections > 0 || places->n == 0 || shell_now(s) < s->places_at)
                return;
        for (size_t i = 0; i < places->n; i++)
                if (!*look(s, &places->list[i]).why)
                        return;
        s->places_at = nsec_add(shell_now(s), SAY_EVERY);
        log_warning("nobody is connected, for no place that [transport] bootstrap names is any "
                    "good: %s: %s; see that they are right and run (`quorate status` lists them); "
                    "trying goes on",
                    multiaddr_text(&places->list[0], at),
                    text_escape(BYTES_STR(look(s, &places->list[0]).why), why, sizeof(why)));
}
