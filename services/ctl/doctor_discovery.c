/* What doctor asks about discovery: whether dht and gossip run, and whether they find anybody. */

#include "common/base/text.h"
#include "services/ctl/discovery_status.h"
#include "services/ctl/doctor.h"
#include "services/ctl/places.h"

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

static void say_lonely(const struct doctor *d, const Dht__StatusReply *dht, struct finding *f) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        struct places_nobody nobody;
        char why[256];

        (void) ctl_try(d->ctx, &discovery_links, "Status", &empty, &u, why);
        places_explain(dht, u.message, &nobody);
        finding_set(f, HEALTH_WARN, "%s", nobody.text);
        finding_remedy(f, "%s", nobody.remedy);
        for (size_t i = 0; i < nobody.n_places; i++)
                finding_detail(f, "%s", nobody.places[i]);
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
                say_lonely(d, dht, f);
        else
                finding_set(f, HEALTH_OK, "dht is a %s (%s), %s; gossip hears %u peers",
                            dht->server ? "server" : "client",
                            text_escape(BYTES_STR(dht->mode_reason), reason, sizeof(reason)),
                            discovery_status_size(dht, size),
                            ((const Gossip__StatusReply *) s.gossip.message)->peers);
        discovery_status_done(&s);
}
