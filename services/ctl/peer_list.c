#include "services/ctl/peer_list.h"

#include <stdlib.h>

#include "common/base/memory.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/table.h"

void peer_list_done(struct peer_list *l) {
        for (size_t i = 0; i < l->n_replies; i++)
                unpacked_done(&l->replies[i]);
        free(l->replies);
        free(l->rows);
        *l = (struct peer_list){};
}

/* ---- gathering ---- */

static const void *take_reply(struct peer_list *l, struct unpacked *reply) {
        l->replies = xrealloc(l->replies, (l->n_replies + 1) * sizeof(*l->replies));
        l->replies[l->n_replies++] = *reply;
        *reply = (struct unpacked){};
        return l->replies[l->n_replies - 1].message;
}

static struct peer_row *add_row(struct peer_list *l, ProtobufCBinaryData peer) {
        struct peer_id id;

        if (!peer_id_parse(people_bytes(peer), &id))
                return NULL;
        if (l->n_rows == l->n_allocated) {
                l->n_allocated = l->n_allocated ? 2 * l->n_allocated : 64;
                l->rows = xrealloc(l->rows, l->n_allocated * sizeof(*l->rows));
        }
        l->rows[l->n_rows] = (struct peer_row){ .peer = id };
        return &l->rows[l->n_rows++];
}

void peer_list_add_links(struct peer_list *l, struct unpacked *reply) {
        const Transport__ListReply *m = take_reply(l, reply);

        for (size_t i = 0; i < m->n_peers; i++) {
                struct peer_row *r = add_row(l, m->peers[i]->peer);

                if (r)
                        r->link = m->peers[i];
        }
}

static void add_presences(struct peer_list *l, Gossip__Presence *const *list, size_t n, bool told) {
        for (size_t i = 0; i < n; i++) {
                struct peer_row *r = add_row(l, list[i]->peer);

                if (!r)
                        continue;
                r->presence = list[i];
                r->is_told = told;
        }
}

void peer_list_add_heard(struct peer_list *l, struct unpacked *reply) {
        const Gossip__PeersReply *m = take_reply(l, reply);

        add_presences(l, m->peers, m->n_peers, false);
}

void peer_list_add_told(struct peer_list *l, struct unpacked *reply) {
        const Gossip__CrawlReply *m = take_reply(l, reply);

        add_presences(l, m->peers, m->n_peers, true);
}

/* ---- merging ---- */

static int by_peer(const void *a, const void *b) {
        return peer_id_compare(&((const struct peer_row *) a)->peer,
                               &((const struct peer_row *) b)->peer);
}

static bool is_connected(const struct peer_row *r) {
        return r->link && r->link->connected;
}

static unsigned depth_of(const struct peer_row *r) {
        return r->is_told ? r->presence->depth : 0;
}

static uint64_t age_of(const struct peer_row *r) {
        return is_connected(r) ? 0 : r->presence ? r->presence->age_ms : UINT64_MAX;
}

static int for_people(const void *va, const void *vb) {
        const struct peer_row *a = va, *b = vb;

        if (is_connected(a) != is_connected(b))
                return is_connected(a) ? -1 : 1;
        if (depth_of(a) != depth_of(b))
                return depth_of(a) < depth_of(b) ? -1 : 1;
        if (age_of(a) != age_of(b))
                return age_of(a) < age_of(b) ? -1 : 1;
        return by_peer(a, b);
}

static void join(struct peer_row *to, const struct peer_row *r) {
        if (!to->link)
                to->link = r->link;
        if (!to->presence) {
                to->presence = r->presence;
                to->is_told = r->is_told;
        }
}

void peer_list_merge(struct peer_list *l) {
        size_t n = 0;

        if (l->n_rows == 0)
                return;
        qsort(l->rows, l->n_rows, sizeof(*l->rows), by_peer);
        for (size_t i = 1; i < l->n_rows; i++)
                if (peer_id_equal(&l->rows[n].peer, &l->rows[i].peer))
                        join(&l->rows[n], &l->rows[i]);
                else
                        l->rows[++n] = l->rows[i];
        l->n_rows = n + 1;
        qsort(l->rows, l->n_rows, sizeof(*l->rows), for_people);
}

void peer_list_keep_presences(struct peer_list *l) {
        size_t n = 0;

        for (size_t i = 0; i < l->n_rows; i++)
                if (l->rows[i].presence)
                        l->rows[n++] = l->rows[i];
        l->n_rows = n;
}

/* ---- showing ---- */

const char *peer_row_state(const struct peer_row *r) {
        if (r->link && (r->link->connected || !r->presence))
                return r->link->state;
        if (r->link && strncmp(r->link->state, "known", 5) != 0) /* dialling, backing off */
                return r->link->state;
        return !r->is_told ? "heard" : r->presence->verified ? "answered" : "told";
}

static void presence_json(const struct peer_row *r, bool *first) {
        const Gossip__Presence *p = r->presence;

        json_member_string(stdout, "name", p->name, first);
        json_member_string(stdout, "version", p->version, first);
        json_member_u64(stdout, "datasets", p->datasets, first);
        json_member_u64(stdout, "age_ms", p->age_ms, first);
        json_member_bool(stdout, "verified", p->verified, first);
        people_json_texts("engines", p->engines, p->n_engines, first);
        people_json_addresses("addresses", p->addresses, p->n_addresses, first);
        if (!r->is_told)
                return;
        json_member_u64(stdout, "depth", p->depth, first);
        people_json_peer("via", p->via, first);
}

static void link_json(const Transport__Peer *p, bool *first) {
        json_member_bool(stdout, "inbound", p->inbound, first);
        json_member_string(stdout, "address", p->address, first);
        json_member_string(stdout, "agent", p->agent, first);
        json_member_ms(stdout, "rtt_ms", p->rtt_us, first);
        json_member_u64(stdout, "streams", p->streams, first);
        json_member_u64(stdout, "bytes_in", p->bytes_in, first);
        json_member_u64(stdout, "bytes_out", p->bytes_out, first);
        people_json_texts("protocols", p->protocols, p->n_protocols, first);
}

static void row_json(const struct peer_row *r) {
        char id[PEER_ID_TEXT_SIZE];
        bool first = true;

        fputc('{', stdout);
        json_member_string(stdout, "peer", peer_id_text(&r->peer, id), &first);
        json_member_string(stdout, "state", peer_row_state(r), &first);
        json_member_bool(stdout, "connected", is_connected(r), &first);
        if (r->link)
                link_json(r->link, &first);
        if (r->presence)
                presence_json(r, &first);
        fputs("}\n", stdout);
}

/* When it was seen by whoever says so; not known of those that a peer only names. */
static const char *seen_of(const struct peer_row *r, char ret[PEOPLE_AGE_SIZE]) {
        if (is_connected(r))
                return "now";
        if (!r->presence || (r->is_told && !r->presence->verified && r->presence->age_ms == 0))
                return "-";
        return people_age(r->presence->age_ms, ret);
}

/* How it is reached, or who says that it is there. */
static const char *via_of(const struct peer_row *r, char ret[PEOPLE_SHORT_SIZE]) {
        if (is_connected(r))
                return r->link->inbound ? "in" : "out";
        if (r->is_told && r->presence->via.len > 0)
                return people_short(r->presence->via, ret);
        return r->presence && !r->is_told ? "gossip" : "-";
}

static void row_cells(const struct command_context *ctx, struct table *t,
                      const struct peer_row *r) {
        const struct bytes id = peer_id_bytes(&r->peer);
        char text[PEER_ID_TEXT_SIZE], shown[PEOPLE_SHORT_SIZE], age[PEOPLE_AGE_SIZE];
        const Gossip__Presence *p = r->presence;

        table_cell(t, "%s",
                   ctx->common.verbose ? people_peer(people_data(id), text)
                                       : people_short(people_data(id), shown));
        table_foreign(t, p && *p->name ? p->name : "-");
        table_foreign(t, p && *p->version ? p->version : "-");
        if (p)
                table_cell(t, "%u", p->datasets);
        else
                table_cell(t, "-");
        if (is_connected(r) && r->link->rtt_us > 0)
                table_cell(t, "%.2f ms", (double) r->link->rtt_us / 1000);
        else
                table_cell(t, "-");
        table_cell(t, "%s", seen_of(r, age));
        table_foreign(t, peer_row_state(r));
        table_cell(t, "%s", via_of(r, shown));
        if (ctx->common.verbose)
                table_foreign(t, is_connected(r) ? r->link->address : "-");
}

void peer_list_show(const struct command_context *ctx, const struct peer_list *l) {
        static const struct table_column columns[] = {
                { "PEER" },
                { "NAME", .widest = 20 },
                { "VERSION", .widest = 12 },
                { "DATASETS", .right = true },
                { "RTT", .right = true },
                { "SEEN", .right = true },
                { "STATE", .widest = 16, .state = true },
                { "VIA" },
                {},
        };
        static const struct table_column with_address[] = {
                { "PEER" },
                { "NAME", .widest = 20 },
                { "VERSION", .widest = 12 },
                { "DATASETS", .right = true },
                { "RTT", .right = true },
                { "SEEN", .right = true },
                { "STATE", .widest = 16, .state = true },
                { "VIA" },
                { "ADDRESS" },
                {},
        };
        CLEANUP(table_donep) struct table t = {};

        table_init(&t, ctx->common.verbose ? with_address : columns);
        for (size_t i = 0; i < l->n_rows; i++)
                if (ctx->common.json)
                        row_json(&l->rows[i]);
                else
                        row_cells(ctx, &t, &l->rows[i]);
        table_show(ctx, &t);
}
