/* What doctor asks about discovery: whether dht and gossip run, and whether they find anybody. */

#include "common/base/text.h"
#include "services/ctl/discovery_status.h"
#include "services/ctl/doctor.h"

static bool is_up(const struct doctor *d, const char *service) {
        for (size_t i = 0; i < d->services.n_rows; i++)
                if (strcmp(d->services.rows[i].name, service) == 0)
                        return true;
        return false;
}

static void say_silent(const struct doctor *d, const char *service, const char *why,
                       struct finding *f) {
        finding_set(f, HEALTH_FAIL, "%s does not answer: %.300s", service, why);
        if (!is_up(d, service))
                finding_remedy(f, "install quorate-%s, then start the node again", service);
        else
                finding_remedy(f, "see what `quorate run` printed of %s, or start the node again",
                               service);
}

static void say_lonely(const Dht__StatusReply *s, struct finding *f) {
        if (s->outage) {
                finding_set(f, HEALTH_WARN,
                            "the network seems to be down: nobody answers any more");
                finding_remedy(f, "look at this machine's network; the node goes on by itself");
        } else {
                finding_set(f, HEALTH_WARN, "no peer is in the table of dht");
                finding_remedy(f, "name one with `bootstrap =` in [dht] of the configuration; "
                                  "`quorate peers` shows who is there");
        }
}

void doctor_look_at_discovery(struct doctor *d, struct finding *f) {
        struct discovery_status s = {};
        const Dht__StatusReply *dht;
        char reason[200], size[100];

        if (!d->runs) {
                finding_set(f, HEALTH_OK, "looked at when a node runs");
                return;
        }
        discovery_status_ask(d->ctx, &s);
        dht = s.dht.message;
        if (!dht)
                say_silent(d, "dht", s.dht_why, f);
        else if (!s.gossip.message)
                say_silent(d, "gossip", s.gossip_why, f);
        else if (dht->peers == 0 || dht->outage)
                say_lonely(dht, f);
        else
                finding_set(f, HEALTH_OK, "dht is a %s (%s), %s; gossip hears %u peers",
                            dht->server ? "server" : "client",
                            text_escape(BYTES_STR(dht->mode_reason), reason, sizeof(reason)),
                            discovery_status_size(dht, size),
                            ((const Gossip__StatusReply *) s.gossip.message)->peers);
        discovery_status_done(&s);
}
