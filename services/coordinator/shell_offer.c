#include <unistd.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/canonical/descriptor.h"
#include "common/daemon/log.h"
#include "common/daemon/loop.h"
#include "common/wire/unpack.h"
#include "services/coordinator/shell_actions.h"
#include "services/coordinator/shell_discovery.h"

/* What this node offers, from the live governor. */

#define ENGINES_TOLD 4 /* what fits into a record */

struct told {
        Gossip__HostOffer message;
        const char *engines[ENGINES_TOLD], *classes[DATA_SENSITIVE];
};

static size_t list_classes(uint32_t most, const char **ret) {
        size_t n = 0;

        for (unsigned c = DATA_PUBLIC; c <= most && c <= DATA_SENSITIVE; c++)
                ret[n++] = data_class_name(c);
        return n;
}

static void fill(struct shell *s, struct told *t) {
        struct offered *o = &s->discovery->offered;
        Gossip__HostOffer *m = &t->message;

        coordinator_offered(s->core, o);
        gossip__host_offer__init(m);
        m->paused = o->is_paused || s->is_draining;
        m->slots = o->slots;
        m->free_slots = o->free_slots;
        m->memory = o->memory;
        m->price = o->price;
        m->engines = (char **) t->engines;
        m->n_engines = shell_engines(s, t->engines, ENGINES_TOLD);
        m->data_classes = (char **) t->classes;
        m->n_data_classes = list_classes(o->data_class, t->classes);
        m->groups = (char **) o->groups;
        m->n_groups = o->n_groups;
        m->region = s->config->region;
        m->datasets = (uint32_t) store_count(s->store);
        m->cores = (uint32_t) sysconf(_SC_NPROCESSORS_ONLN);
}

static uint64_t pack(const struct told *t, struct buffer *b) {
        wire_pack(b, &t->message.base);
        return candidate_claim(buffer_bytes(b));
}

static void on_told(void *userdata, const struct rpc_result *result) {
        if (result->code != RPC_OK && result->code < RPC_E_TIMEOUT)
                log_warning("gossip does not take what this node offers: %s", result->text);
}

static void tell(struct shell *s) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct discovery *d = s->discovery;
        nsec_t now = shell_now(s), when;
        struct told told;
        uint64_t digest;

        if (!d->has_gossip)
                return;
        fill(s, &told);
        buffer_init(&b, 1u << 16);
        digest = pack(&told, &b);
        when = offer_when(&d->pace, digest, now);
        if (when > now) {
                (void) loop_timer_set(d->offer_timer, when);
                return;
        }
        offer_sent(&d->pace, digest, now);
        (void) loop_timer_set(d->offer_timer, nsec_add(now, OFFER_EVERY));
        s->counters.offers_told++;
        rpc_call(d->gossip_rpc, "Offer", &told.message, DISCOVERY_CALL_TIMEOUT, on_told, s);
}

static int on_timer(void *userdata) {
        tell(userdata);
        return 0;
}

/* After each turn: looks only at what changes from one job to the next. */
void shell_offer_look(struct shell *s) {
        struct offered now;

        if (!s->discovery || !s->discovery->has_gossip)
                return;
        coordinator_offered(s->core, &now);
        if (now.free_slots != s->discovery->offered.free_slots ||
            now.slots != s->discovery->offered.slots ||
            now.is_paused != s->discovery->offered.is_paused)
                tell(s);
}

void shell_offer_tick(struct shell *s) {
        tell(s);
}

void shell_offer_again(struct shell *s) {
        s->discovery->pace = (struct offer_pace){};
        tell(s);
}

int shell_offer_start(struct shell *s) {
        return loop_add_timer(s->loop, on_timer, s, &s->discovery->offer_timer);
}

void shell_offer_stop(struct shell *s) {
        loop_source_free(s->discovery->offer_timer);
}
