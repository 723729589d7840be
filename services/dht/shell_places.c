/* The places to begin that the configuration names: how each went, for who asks, and a line of the
 * log while none of them is any good. */

#include <string.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/daemon/log.h"
#include "services/dht/bootstrap.h"
#include "services/dht/shell_parts.h"

#define SAY_EVERY (15 * 60 * NSEC_PER_SEC)

/* As people write it. */
static const char *where(const struct contact *c, char ret[MULTIADDR_TEXT_SIZE]) {
        struct multiaddr a;

        if (contact_addresses(c, &a, 1) == 0)
                return peer_id_text(&c->peer, ret);
        if (!peer_id_is_none(&c->peer))
                (void) multiaddr_append_peer(&a, &c->peer);
        return multiaddr_text(&a, ret);
}

static void say(const struct dht_place *first, size_t n) {
        char at[MULTIADDR_TEXT_SIZE], why[2 * BOOTSTRAP_WHY_MAX], more[64] = "";

        if (n > 1)
                (void) snprintf(more, sizeof(more), ", and of %zu more each its own reason", n - 1);
        log_warning("nobody is reached, for no place that [dht] bootstrap names is any good: %s: "
                    "%s%s; see that they are right and run (`quorate status` lists them); trying "
                    "goes on",
                    where(first->contact, at), text_escape(BYTES_STR(first->why), why, sizeof(why)),
                    more);
}

static char *copy(struct call *call, const char *text) {
        size_t n = strlen(text) + 1;

        return memcpy(call_alloc(call, n), text, n);
}

void shell_places_tick(struct shell *s, unsigned n_peers) {
        struct dht_place places[BOOTSTRAP_MAX];
        size_t n = dht_places(s->core, places, BOOTSTRAP_MAX);

        if (n_peers > 0)
                s->places_at = 0; /* said at once the next time */
        if (n_peers > 0 || n == 0 || shell_now(s) < s->places_at)
                return;
        for (size_t i = 0; i < n; i++)
                if (!places[i].why)
                        return;
        say(&places[0], n);
        s->places_at = nsec_add(shell_now(s), SAY_EVERY);
}

void shell_places_put(struct shell *s, struct call *call, Dht__StatusReply *ret) {
        struct dht_place places[BOOTSTRAP_MAX];
        size_t n = dht_places(s->core, places, BOOTSTRAP_MAX);
        char at[MULTIADDR_TEXT_SIZE];

        ret->places = call_alloc(call, (n + 1) * sizeof(*ret->places));
        for (size_t i = 0; i < n; i++) {
                Types__Place *p = call_alloc(call, sizeof(*p));

                types__place__init(p);
                p->where = copy(call, where(places[i].contact, at));
                p->reached = places[i].is_met && !places[i].why;
                p->why = copy(call, places[i].why ? places[i].why : "");
                ret->places[ret->n_places++] = p;
        }
}
