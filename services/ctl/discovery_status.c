#include "services/ctl/discovery_status.h"

#include "common/base/text.h"
#include "services/ctl/json.h"
#include "services/ctl/places.h"

static void ask(const struct command_context *ctx, const struct call_target *from,
                struct unpacked *ret, char why[256]) {
        struct call_target target = *from;
        Types__Empty empty = TYPES__EMPTY__INIT;

        target.timeout = NSEC_PER_SEC; /* the rest of the status shall not wait for one of them */
        (void) strcpy(why, "cannot connect");
        (void) ctl_try(ctx, &target, "Status", &empty, ret, why);
}

void discovery_status_ask(const struct command_context *ctx, struct discovery_status *ret) {
        ask(ctx, &discovery_lookup, &ret->dht, ret->dht_why);
        ask(ctx, &discovery_candidates, &ret->gossip, ret->gossip_why);
}

void discovery_status_done(struct discovery_status *s) {
        unpacked_done(&s->dht);
        unpacked_done(&s->gossip);
}

const char *discovery_status_size(const Dht__StatusReply *s, char ret[100]) {
        if (s->size > 0)
                (void) snprintf(ret, 100, "about %.0f servers (90 %%: %.0f to %.0f)", s->size,
                                s->size_low, s->size_high);
        else
                (void) snprintf(ret, 100, "of unknown size: too few servers in the table");
        return ret;
}

void discovery_status_text(const struct discovery_status *s,
                           const Transport__StatusReply *transport) {
        const Gossip__StatusReply *g = s->gossip.message;
        const Dht__StatusReply *d = s->dht.message;
        char text[200], size[100];

        if (d)
                printf("dht          %s: %s; %u peers in the table\nsize         %s\n",
                       d->server ? "server" : "client",
                       text_escape(BYTES_STR(d->mode_reason), text, sizeof(text)), d->peers,
                       discovery_status_size(d, size));
        else
                printf("dht          does not answer: %s\n", s->dht_why);
        places_text(d, transport);
        if (g)
                printf("gossip       %u peers, %u in the mesh of shard %s; %u offers known\n",
                       g->peers, g->mesh,
                       *g->shard ? text_escape(BYTES_STR(g->shard), text, sizeof(text)) : "(none)",
                       g->offers);
        else
                printf("gossip       does not answer: %s\n", s->gossip_why);
}

static void dht_json(const Dht__StatusReply *d) {
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "mode", d->server ? "server" : "client", &first);
        json_member_string(stdout, "mode_reason", d->mode_reason, &first);
        json_member_u64(stdout, "peers", d->peers, &first);
        json_key(stdout, "size", &first);
        printf("%.15g", d->size);
        json_key(stdout, "size_low", &first);
        printf("%.15g", d->size_low);
        json_key(stdout, "size_high", &first);
        printf("%.15g}", d->size_high);
}

static void gossip_json(const Gossip__StatusReply *g) {
        bool first = true;

        fputc('{', stdout);
        json_member_u64(stdout, "peers", g->peers, &first);
        json_member_u64(stdout, "mesh", g->mesh, &first);
        json_member_string(stdout, "shard", g->shard, &first);
        json_member_u64(stdout, "bits", g->bits, &first);
        json_member_u64(stdout, "offers", g->offers, &first);
        json_member_u64(stdout, "presences", g->presences, &first);
        json_member_bool(stdout, "revoked", g->revoked, &first);
        fputc('}', stdout);
}

void discovery_status_json(const struct discovery_status *s,
                           const Transport__StatusReply *transport, bool *first) {
        json_key(stdout, "dht", first);
        if (s->dht.message)
                dht_json(s->dht.message);
        else
                fputs("null", stdout);
        json_key(stdout, "gossip", first);
        if (s->gossip.message)
                gossip_json(s->gossip.message);
        else
                fputs("null", stdout);
        places_json(s->dht.message, transport, first);
}
